// ONNX Runtime Web for one provider: the right bundle, its WebAssembly, and sessions.
// It knows nothing of what the models are for.

import { AssetError, json, load, publicAddress } from "./assets.js";

const LIBRARIES = "node_modules/";
const BUNDLES = {
  wasm: ["ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"],
  webgpu: ["ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm"],
};
let opened = null;

/**
 * Loads ONNX Runtime Web once.
 * @param {"wasm" | "webgpu"} provider who computes.
 * @param {number} threads how many threads WebAssembly may use.
 * @param {(file: string, bytes: number, total: number, cached: boolean) => void} report called while bytes arrive.
 */
export function open(provider, threads, report) {
  opened ??= start(provider, threads, report).catch((error) => {
    opened = null; // so that “Try again” tries again
    throw error;
  });
  return opened;
}

async function start(provider, threads, report) {
  const [script, binary] = BUNDLES[provider].map((file) => `onnxruntime-web/dist/${file}`);
  const libraries = await json("libraries.json");
  const [ort, wasm] = await Promise.all([
    library(script),
    load(LIBRARIES + binary, libraries[binary].integrity, (...so) => report(binary, ...so), publicAddress(libraries[binary])),
  ]);
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = wasm.buffer;
  ort.env.logLevel = "error";
  return ort;
}

/**
 * Imports a script of an npm package.
 * @param {string} file its path below node_modules.
 */
export async function library(file) {
  const url = new URL(LIBRARIES + file, self.location.href).href;
  try {
    return await import(url);
  } catch (error) {
    throw new AssetError(await whyNot(url, file, error));
  }
}

async function whyNot(url, file, error) {
  const response = await fetch(url, { method: "HEAD" }).catch(() => null);
  const type = response?.headers.get("content-type") ?? "";
  if (response?.ok && !/javascript|ecmascript/.test(type)) {
    return (
      `The server sends ${file} as “${type || "nothing"}”, and browsers run scripts only as text/javascript. ` +
      "Serve the page with `labkit webgpu`, which sends the right type."
    );
  }
  if (response?.ok) return `${file} does not start here: ${error.message}. Update the browser.`;
  return (
    `${file} is missing: it is not installed here, and the public network did not give it. ` +
    "Run `npm install` in webgpu-demo, or `labkit webgpu`, which does it for you."
  );
}

/**
 * Opens a model.
 * @param {object} ort what `open` gave.
 * @param {"wasm" | "webgpu"} provider who computes.
 * @param {Uint8Array} model the ONNX file.
 * @param {object} [options] more options of the session.
 */
export function session(ort, provider, model, options = {}) {
  const all = { executionProviders: [provider], graphOptimizationLevel: "all", logSeverityLevel: 3, ...options };
  return alone(() => ort.InferenceSession.create(model, all));
}

let turn = Promise.resolve();

/**
 * Does something with sessions while nobody else does: two runs at once would wait for each other for ever on WebGPU.
 * @param {() => Promise<T>} action what to do.
 * @returns {Promise<T>} what came of it.
 * @template T
 */
export function alone(action) {
  const done = turn.then(action);
  turn = done.catch(() => {});
  return done;
}

/** Gives the median of a list of numbers. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
