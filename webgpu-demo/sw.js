// The service worker: the page without its server, and libraries that are not installed here.
// The server is asked first, so that nobody looks at an old page. Models are kept elsewhere; see assets.js.

const CACHE = "labkit-page";
const CDN = "https://cdn.jsdelivr.net/npm/";
const LIBRARIES = "node_modules/";
const PAGE = [
  "./", "style.css", "main.js", "assets.js", "capabilities.js", "chat-model.js", "chat-panel.js", "digits-model.js",
  "digits-panel.js", "drawing.js", "engine.js", "engines.js", "measure.js", "pad.js", "page.js", "requests.js", "runtime.js",
  "worker.js", "icon.svg", "libraries.json", "models/manifest.json", "models/digits/manifest.json", "models/digits/samples.json",
];
const isScript = (file) => !file.endsWith(".wasm");

self.addEventListener("install", (event) => {
  event.waitUntil(install().then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const path = relative(event.request.url);
  if (event.request.method !== "GET" || path === null) return;
  if (path.startsWith(LIBRARIES)) {
    if (isScript(path)) event.respondWith(library(path.slice(LIBRARIES.length)));
  } else if (PAGE.includes(path || "./")) event.respondWith(part(path || "./"));
});

async function install() {
  const libraries = Object.keys(await (await part("libraries.json")).json()).filter(isScript);
  await Promise.all([...PAGE.map(part), ...libraries.map(library)]);
}

/** Gives a file of the page: the server's, else the one that was kept. */
async function part(path) {
  const cache = await caches.open(CACHE);
  const fresh = await fetch(path, { cache: "no-cache" }).catch(() => null);
  if (fresh?.ok) await cache.put(path, fresh.clone());
  return fresh?.ok ? fresh : ((await cache.match(path)) ?? fresh ?? Response.error());
}

/** Gives a library's script: installed beside the page, else kept, else from the public network if its digest is right. */
async function library(file) {
  const path = LIBRARIES + file;
  const found = await part(path);
  if (found.ok || found.type === "error") return found;
  const { [file]: known } = await (await part("libraries.json")).json();
  if (!known) return found;
  const fetched = await fetch(CDN + known.package, { integrity: known.integrity }).catch(() => null);
  if (!fetched?.ok) return found;
  const response = new Response(fetched.body, { headers: headers() });
  await (await caches.open(CACHE)).put(path, response.clone());
  return response;
}

// What an isolated page demands of the scripts of its workers.
const headers = () => ({
  "content-type": "text/javascript",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
});

/** Gives an address relative to the page's folder, without its query; null for other places. */
function relative(url) {
  const { scope } = self.registration;
  const { origin, pathname } = new URL(url);
  const whole = origin + pathname;
  return whole.startsWith(scope) ? whole.slice(scope.length) : null;
}
