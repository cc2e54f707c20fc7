// What the engine needs before it can begin: a browser that can do it, and whole files.

export class LoadError extends Error {
  name = "LoadError";
}

const AGAIN = "Reload the page; if that does not help, the site is not whole.";
const MEMORY = 300; // MB that two workers take at most

// Throws LoadError where the browser lacks something.
export function check_browser() {
  if (typeof WebAssembly !== "object")
    throw new LoadError(
      "This browser has no WebAssembly, or it is switched off, as in a lockdown mode. " +
        "Switch it on, or take another browser.",
    );
  if (!has_module_workers() || typeof DecompressionStream !== "function")
    throw new LoadError(
      "This browser is too old: it has no module workers. Firefox has them from version 114 on, " +
        "Chrome and Edge from 80, Safari from 16.4.",
    );
}

function has_module_workers() {
  let asked = false;
  const options = {
    get type() {
      asked = true;
      return "module";
    },
  };
  try {
    new Worker("data:text/javascript,", options).terminate();
  } catch {} // some refuse the address, which is another matter
  return asked;
}

// The bytes of each file, by name: {name: Uint8Array}.
//
// files: {name: {path, bytes, sha256}}; path is relative to `base`, bytes is the size of what is
// sent, sha256 that of the content, in hexadecimal. What begins as gzip does is unpacked; a server
// may have told the browser to do that already.
// on_progress: told {loaded, total} in bytes. Throws LoadError for a file that is not there, is cut
// off, or is another one.
export async function fetch_files(files, base, on_progress) {
  const names = Object.keys(files);
  const total = names.reduce((sum, name) => sum + files[name].bytes, 0);
  const received = Object.fromEntries(names.map((name) => [name, 0]));
  const report = (name, bytes) => {
    received[name] = Math.min(bytes, files[name].bytes); // unpacked by the browser it is more
    on_progress({ loaded: Object.values(received).reduce((sum, one) => sum + one), total });
  };
  const fetch_one = async (name) => {
    const content = await fetch_file(files[name], base, (bytes) => report(name, bytes));
    return [name, content];
  };
  return Object.fromEntries(await Promise.all(names.map(fetch_one)));
}

export async function fetch_json(path, base) {
  const text = await (await answer(path, base)).text();
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new LoadError(`${path} is cut off or damaged. ${AGAIN}`, { cause });
  }
}

async function fetch_file({ path, sha256 }, base, on_received) {
  const { body } = await answer(path, base);
  const reader = body.getReader();
  const parts = [];
  let received = 0;
  on_received(0);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      received += value.length;
      on_received(received);
    }
  } catch (cause) {
    throw new LoadError(`${path} was cut off after ${received} bytes. ${AGAIN}`, { cause });
  }
  const content = await unpacked(new Blob(parts), path);
  const hash = await hash_of(content);
  if (hash && hash !== sha256)
    throw new LoadError(`${path} is not the file that belongs to this page. ${AGAIN}`);
  return content;
}

async function answer(path, base) {
  let response;
  try {
    response = await fetch(new URL(path, base));
  } catch (cause) {
    throw new LoadError(`${path} did not load: no connection. ${AGAIN}`, { cause });
  }
  if (!response.ok)
    throw new LoadError(`${path} did not load: the server answers ${response.status}. ${AGAIN}`);
  return response;
}

async function unpacked(blob, path) {
  const start = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
  const is_gzip = start[0] === 0x1f && start[1] === 0x8b;
  try {
    const stream = blob.stream();
    const content = is_gzip ? stream.pipeThrough(new DecompressionStream("gzip")) : stream;
    return new Uint8Array(await new Response(content).arrayBuffer());
  } catch (cause) {
    throw new LoadError(`${path} is cut off or damaged. ${AGAIN}`, { cause });
  }
}

// SHA-256 in hexadecimal; null where a browser keeps it from pages without https. Then the checksum
// in gzip itself must do.
async function hash_of(content) {
  if (!globalThis.crypto?.subtle) return null;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// What a worker says when it cannot begin, as a LoadError.
export function explained(cause) {
  const said = String(cause.message);
  const because = (message) => new LoadError(message, { cause });
  if (cause.name === "RangeError" || /memory|alloc/i.test(said))
    return because(
      `There is too little memory for the model, which takes ${MEMORY} MB. Close other tabs and ` +
        "reload the page.",
    );
  if (/simd/i.test(said))
    return because("This browser is too old: its WebAssembly has no SIMD instructions.");
  if (/import|module script|did not load/i.test(said))
    return because(`A part of the engine did not load. ${AGAIN}`);
  return because(`The engine did not start: ${said}`);
}
