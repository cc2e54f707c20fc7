// Service worker: keeps all files of the site, so that the page opens without a connection. The
// export writes FILES above: {path: SHA-256 of the file}.
//
// Files are kept by their content. A new version of the site is fetched beside the old one, only
// what has changed, and takes its place when no page of the old one is open any more.

const CACHE = "files";
const SCOPE = self.registration.scope;
const key = (path) => `${SCOPE}${path}?sha256=${FILES[path]}`;

self.addEventListener("install", (event) => event.waitUntil(keep_all()));
self.addEventListener("activate", (event) => event.waitUntil(tidy().then(() => clients.claim())));
self.addEventListener("fetch", (event) => {
  const path = path_of(event.request);
  if (Object.hasOwn(FILES, path)) event.respondWith(answer(path, event.request));
});

async function keep_all() {
  const cache = await caches.open(CACHE);
  await Promise.all(Object.keys(FILES).map((path) => keep(path, cache)));
}

// Some hosts redirect index.html to its folder, and browsers take no redirected answer for a page:
// a copy of the bytes is kept.
async function keep(path, cache) {
  if (await cache.match(key(path))) return; // the engine puts large files there itself
  const response = await fetch(SCOPE + path, { cache: "no-cache" });
  const bytes = await response.arrayBuffer();
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  const hex = Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0"));
  if (!response.ok || hex.join("") !== FILES[path]) throw new Error(`${path} is another file`);
  const type = response.headers.get("Content-Type");
  await cache.put(key(path), new Response(bytes, { headers: { "Content-Type": type } }));
}

async function tidy() {
  const cache = await caches.open(CACHE);
  const kept = new Set(Object.keys(FILES).map(key));
  const is_old = ({ url }) => url.startsWith(SCOPE) && !kept.has(url);
  const old = (await cache.keys()).filter(is_old);
  await Promise.all(old.map((request) => cache.delete(request)));
}

// What a request is for, relative to the site, without its query; a folder is its index.html.
function path_of({ method, url }) {
  if (method !== "GET" || !url.startsWith(SCOPE)) return null;
  const path = url.slice(SCOPE.length).replace(/[?#].*/, "");
  return path === "" ? "index.html" : path;
}

async function answer(path, request) {
  return (await (await caches.open(CACHE)).match(key(path))) ?? fetch(request);
}
