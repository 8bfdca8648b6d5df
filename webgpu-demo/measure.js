// All figures of the page in one object, for the notebook.
// It knows nothing of how they are shown.

const TIMES = 5; // runs for each sample
const LIMIT = 20; // tokens of an answer: an imitated adapter writes two in a second
const WARM_UP = 2; // tokens

/**
 * Measures providers on the same inputs.
 * @param {import("./engines.js").Engines} engines who computes.
 * @param {("wasm" | "webgpu")[]} providers which ones.
 * @param {{digit: number, pixels: Float32Array}[]} samples the digits to recognise.
 * @param {string} question what to ask the chat model.
 * @param {(words: string) => void} say called with what is done right now.
 */
export async function measure(engines, providers, samples, question, say) {
  const found = {};
  for (const provider of providers) {
    say(`Measuring ${provider} …`);
    if (provider === "webgpu" && !engines.can.adapter) found[provider] = { missing: "no graphics adapter" };
    else found[provider] = await one(engines.get(provider), samples, question);
  }
  return { question, browser: navigator.userAgent, capabilities: engines.can, providers: found };
}

async function one(engine, samples, question) {
  const digits = await engine.load("digits");
  const runs = [];
  for (const { pixels } of samples) runs.push(await engine.run(pixels, TIMES));
  const chat = await engine.load("chat");
  const ask = (limit) => engine.generate([{ role: "user", content: question }], limit, () => {}).answer;
  await ask(WARM_UP); // the first tokens also pay for compiling
  return {
    digits: {
      load_seconds: digits.seconds,
      milliseconds: runs.map((run) => run.milliseconds),
      probabilities: runs.map((run) => run.probabilities),
    },
    chat: { load_seconds: chat.seconds, ...renamed(await ask(LIMIT)) },
  };
}

const renamed = ({ text, ids, promptIds, firstToken, tokensPerSecond, reason }) => ({
  text,
  ids,
  prompt_ids: promptIds,
  reason,
  first_token: firstToken,
  tokens_per_second: tokensPerSecond,
});
