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
  if (typeof DecompressionStream !== "function") // those that have it have what else is needed
    throw new LoadError(
      "This browser is too old: it cannot unpack files. Take Firefox 114, Chrome or Edge 100, " +
        "Safari 16.4, or a later version.",
    );
}

export async function fetch_json(path, base) {
  const response = await answer(new URL(path, base), path, { cache: "no-cache" });
  return response.json().catch((cause) => {
    throw new LoadError(`${path} is damaged. ${AGAIN}`, { cause });
  });
}

// The content of files that gzip has packed, by name: {name: Uint8Array}.
//
// files: {name: {path, bytes, sha256}}; path is relative to `base`, bytes and sha256 (hexadecimal)
// are those of the packed file. on_progress: told {loaded, total} in bytes. Throws LoadError for a
// file that is not there, is cut off, or is another one.
export async function fetch_files(files, base, on_progress) {
  const entries = Object.entries(files);
  const total = entries.reduce((sum, [, { bytes }]) => sum + bytes, 0);
  let loaded = 0;
  const on_bytes = (bytes) => on_progress({ loaded: (loaded += bytes), total });
  on_bytes(0);
  const fetched = async ([name, file]) => [name, await fetch_file(file, base, on_bytes)];
  return Object.fromEntries(await Promise.all(entries.map(fetched)));
}

async function fetch_file({ path, bytes, sha256 }, base, on_bytes) {
  const parts = [];
  let received = 0;
  const url = new URL(`${path}?sha256=${sha256}`, base); // no older file is kept under this address
  const reader = (await answer(url, path)).body.getReader();
  const read = () => reader.read().catch(() => ({ done: true })); // too few bytes have come then
  for (let part; !(part = await read()).done; ) {
    parts.push(part.value);
    received += part.value.length;
    on_bytes(part.value.length);
  }
  if (received < bytes)
    throw new LoadError(`${path} was cut off after ${received} of ${bytes} bytes. ${AGAIN}`);
  const packed = new Blob(parts);
  if (!(await is_that(packed, sha256)))
    throw new LoadError(`${path} is not the file that belongs to this page. ${AGAIN}`);
  await keep(url, packed);
  const content = packed.stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(content).arrayBuffer());
}

async function answer(url, path, options = {}) {
  let response;
  try {
    response = await fetch(url, options);
  } catch (cause) {
    throw new LoadError(`${path} did not load: there is no connection. ${AGAIN}`, { cause });
  }
  if (!response.ok)
    throw new LoadError(`${path} did not load: the server answers ${response.status}. ${AGAIN}`);
  return response;
}

// Put a file where the service worker looks for it (see sw.js), which would fetch it once more. Not
// every browser can, and then it does that.
async function keep(url, file) {
  try {
    const cache = await caches.open("files");
    if (!(await cache.match(url))) await cache.put(url, new Response(file));
  } catch {}
}

// Whether a file has that SHA-256. Browsers keep it from pages without https; there, true.
async function is_that(blob, sha256) {
  if (!globalThis.crypto?.subtle) return true;
  const hash = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
  const hex = Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0"));
  return hex.join("") === sha256;
}

// Whatever has ended the loading, as a LoadError.
export function explained(cause) {
  if (cause instanceof LoadError) return cause;
  const said = String(cause.message);
  const because = (message) => new LoadError(message, { cause });
  if (cause.name === "RangeError" || /memory|alloc/i.test(said))
    return because(
      `There is too little memory for the model, which takes ${MEMORY} MB. Close other tabs and ` +
        "reload the page.",
    );
  if (/import|module script|did not load/i.test(said))
    return because(`A part of the engine did not load. ${AGAIN}`);
  return because(`The engine did not start: ${said}`);
}
