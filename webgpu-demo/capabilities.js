// What this browser can do, and which provider follows from it.
// It loads nothing.

const PATIENCE = 20_000; // milliseconds: a driver that hangs must not hang the page
const MAX_THREADS = 4; // the models are small: more threads only wait for each other

/**
 * Describes the browser.
 * @param {GPU | undefined} gpu `navigator.gpu`; that it exists does not mean that there is an adapter.
 * @param {string | null} threads how many threads the address of the page asks for.
 */
export async function describe(gpu, threads = null) {
  const adapter = await Promise.race([gpu?.requestAdapter().catch(() => null), patience()]);
  return {
    hasApi: Boolean(gpu),
    adapter: adapter ? nameOf(adapter.info) : null,
    isSoftware: Boolean(adapter?.info?.isFallbackAdapter) || /swiftshader|llvmpipe|warp/i.test(nameOf(adapter?.info)),
    hasHalf: Boolean(adapter?.features.has("shader-f16")),
    isIsolated: Boolean(self.crossOriginIsolated),
    threads: self.crossOriginIsolated ? Number(threads) || usual(navigator.hardwareConcurrency) : 1,
  };
}

/**
 * Chooses who computes, and says why.
 * @param {object} can what `describe` gave.
 * @param {string | null} forced what the address of the page asks for.
 * @returns {{provider: "wasm" | "webgpu", why: string}}
 */
export function choose(can, forced) {
  if (forced === "wasm") return { provider: "wasm", why: "because the address of this page asks for it." };
  if (forced === "webgpu" && can.adapter) {
    return { provider: "webgpu", why: "because the address of this page asks for it." };
  }
  const asked = forced === "webgpu" ? "WebGPU was asked for, but " : "";
  if (!can.hasApi) return { provider: "wasm", why: `because ${asked}this browser has no WebGPU.` };
  if (!can.adapter) return { provider: "wasm", why: `because ${asked}WebGPU finds no graphics adapter here.` };
  if (can.isSoftware) {
    return { provider: "wasm", why: "because the only graphics adapter is imitated by the processor, which is slower." };
  }
  return { provider: "webgpu", why: "because there is a graphics adapter." };
}

/** Says in rows of two texts what `describe` has found. */
export function rows(can) {
  const yes = (is) => (is ? "yes" : "no");
  return [
    ["WebGPU in this browser", yes(can.hasApi)],
    ["Graphics adapter", can.adapter ? can.adapter + (can.isSoftware ? " (imitated by the processor)" : "") : "none"],
    ["16-bit shaders (shader-f16)", `${yes(can.hasHalf)}; not needed, these models compute with 32-bit numbers`],
    ["Cross-origin isolation", can.isIsolated ? "yes" : "no: WebAssembly gets one thread only. `labkit webgpu` sends the headers for it"],
    ["Threads for WebAssembly", `${can.threads}${can.isIsolated ? " (another number: ?threads=2 in the address)" : ""}`],
  ];
}

const patience = () => new Promise((resolve) => setTimeout(resolve, PATIENCE, null));

// Half of the cores, since threads of WebAssembly wait by spinning: one that does not get its core holds all others up.
const usual = (cores = 1) => Math.max(1, Math.min(MAX_THREADS, Math.floor(cores / 2)));

function nameOf(info) {
  const parts = [info?.vendor, info?.architecture, info?.device, info?.description].filter(Boolean);
  return [...new Set(parts)].join(" ") || "an adapter without a name";
}
