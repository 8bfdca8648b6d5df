// The page: says what the browser can do, loads the models, and connects the parts.
// It knows nothing of models.

import { clear } from "./assets.js";
import { choose, describe, rows } from "./capabilities.js";
import { ChatPanel } from "./chat-panel.js";
import { DigitsPanel } from "./digits-panel.js";
import { Engines } from "./engines.js";
import { measure } from "./measure.js";
import { Progress, byId, element, guard } from "./page.js";
import { count, watchRequests } from "./requests.js";

const QUESTION = "Why do chat apps stream tokens?";
const address = new URLSearchParams(location.search);
const requests = [];
let quiet = null; // how many requests there were when everything was loaded

function showRequests(urls) {
  requests.push(...urls);
  const { own, elsewhere } = count(requests);
  const since = quiet === null ? "" : ` Since the models are loaded: ${requests.length - quiet}.`;
  byId("requests").textContent = `${own} requests to this page's own server, ${elsewhere} elsewhere.${since}`;
}

async function start() {
  watchRequests(showRequests);
  const offline = registerServiceWorker();
  const can = await describe(navigator.gpu, address.get("threads"));
  const { provider, why } = choose(can, address.get("provider"));
  showCapabilities(can, provider, why);
  const samples = await loadSamples();
  const engines = new Engines(can, provider, (words) => showProvider("wasm", words), showRequests);
  byId("clear").onclick = guard("storage", () => forget());
  await offline; // the service worker may have to bring libraries that are not installed here
  await loadDigits(engines, samples);
  new ChatPanel(engines);
  byId("measure").onclick = guard("figures-status", () => figures(engines, samples));
  if (address.has("measure")) await guard("figures-status", () => report(engines, samples))();
}

function showCapabilities(can, provider, why) {
  for (const [name, value] of rows(can)) {
    byId("capabilities").append(element("tr", {}, element("th", { scope: "row", textContent: name }), element("td", { textContent: value })));
  }
  showProvider(provider, why);
}

function showProvider(provider, why) {
  const name = { wasm: "WebAssembly (WASM), on the processor", webgpu: "WebGPU, on the graphics adapter" }[provider];
  byId("provider").textContent = `The models run in ${name}: ${why.replace(/^because /, "")}`;
  document.documentElement.dataset.provider = provider;
}

async function loadSamples() {
  const response = await fetch("models/digits/samples.json").catch(() => null);
  if (!response?.ok) {
    throw new Error(
      "The models are not in this folder (models/). Serve the page with `labkit webgpu`. For another server, link them: " +
        "`mklink /J models ..\\labkit\\models` on Windows, `ln -s ../labkit/models models` elsewhere.",
    );
  }
  const decode = (text) => Float32Array.from(atob(text), (character) => character.charCodeAt(0) / 255);
  return (await response.json()).map(({ digit, pixels }) => ({ digit, pixels: decode(pixels) }));
}

async function loadDigits(engines, samples) {
  const progress = new Progress("digits-progress");
  const load = (engine) => engine.load("digits", (news) => progress.update(news));
  try {
    const { seconds } = await engines.withCurrent(load);
    byId("digits-status").textContent = `Ready after ${seconds.toFixed(2)} s. Draw a digit, or take a sample.`;
  } finally {
    progress.end();
  }
  quiet = requests.length;
  new DigitsPanel(engines, samples);
  document.documentElement.dataset.ready = "true";
}

async function registerServiceWorker() {
  if (!navigator.serviceWorker) {
    byId("storage").textContent = "This browser window keeps nothing, so the page needs its server each time.";
    return;
  }
  try {
    await navigator.serviceWorker.register("sw.js", { type: "module" });
    await navigator.serviceWorker.ready;
    if (!navigator.serviceWorker.controller) await controlled();
    byId("storage").textContent = "This page works without its server from now on; each model once it has been loaded.";
  } catch (error) {
    byId("storage").textContent = `The page is not kept for offline use (${error.message}).`;
  }
}

function controlled() {
  return new Promise((resolve) => {
    navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true });
    setTimeout(resolve, 3000);
  });
}

async function forget() {
  await clear();
  byId("storage").textContent = "The models are no longer kept in this browser. They load again when they are needed.";
}

async function figures(engines, samples) {
  const asked = address.get("measure") || "wasm,webgpu";
  const say = (words) => (byId("figures-status").textContent = words);
  const found = await measure(engines, asked.split(","), samples, address.get("question") ?? QUESTION, say);
  const all = { ...found, requests: [...requests] };
  byId("figures").value = JSON.stringify(all);
  say("Done. Copy the text below into the notebook.");
  return all;
}

/** Measures and hands the figures to `labkit webgpu`, for a notebook that waits for them. */
async function report(engines, samples) {
  const found = await figures(engines, samples).catch((error) => ({ error: error.message }));
  await fetch("figures", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(found) });
}

async function run() {
  byId("retry").hidden = true;
  byId("problem").textContent = "";
  try {
    await start();
  } catch (error) {
    byId("problem").textContent = error.message;
    byId("retry").hidden = false;
    document.documentElement.dataset.failed = "true";
  }
}

byId("retry").onclick = () => location.reload();
run();
