// The part of the page that chats.
// It knows nothing of how answers come about.

import { Progress, byId, element, guard } from "./page.js";

const LIMIT = 200; // tokens of an answer

export class ChatPanel {
  /** @param {import("./engines.js").Engines} engines who computes. */
  constructor(engines) {
    Object.assign(this, { engines, running: null, last: null });
    byId("chat-form").onsubmit = (event) => {
      event.preventDefault();
      this.send();
    };
    byId("chat-stop").onclick = () => this.running?.stop();
    byId("chat-compare").onclick = guard("chat-status", () => this.compare());
    byId("chat-tools").disabled = false;
  }

  async send() {
    const input = byId("chat-input");
    const question = input.value.trim();
    if (!question || byId("chat-send").disabled) return;
    input.value = "";
    this.setBusy(true);
    await guard("chat-status", () => this.answer(question))();
    this.setBusy(false);
  }

  async answer(question) {
    const place = this.bubbles(question);
    const { engine, result } = await this.engines.withCurrent((current) => this.generate(current, question, place));
    this.last = { question, ...result };
    byId("chat-compare").disabled = result.reason === "interrupted";
    byId("chat-status").textContent = figures(engine, result);
    byId("chat-spoken").textContent = result.text; // once and whole: token by token would drown a screen reader
  }

  async generate(engine, question, place) {
    const progress = new Progress("chat-progress");
    place.textContent = "";
    byId("chat-status").textContent = `Loading the model into ${engine.label} …`;
    try {
      await engine.load("chat", (news) => progress.update(news));
    } finally {
      progress.end();
    }
    byId("chat-status").textContent = `${engine.label} is writing …`;
    const messages = [{ role: "user", content: question }];
    this.running = engine.generate(messages, LIMIT, (text) => place.append(text));
    const result = await this.running.answer;
    return { engine, result };
  }

  async compare() {
    const { question, text, ids, reason } = this.last;
    byId("chat-status").textContent = "Asking Foundry Local …";
    const response = await fetch("foundry", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ question, limit: LIMIT }),
    });
    if (!response.ok) throw new Error(await whyNot(response));
    const other = await response.json();
    const isEqual = other.text === text;
    byId("chat-status").textContent = isEqual
      ? `The same answer, character by character, from the same weights. Foundry Local: first token ${other.first_token.toFixed(3)} s, ${rate(other.tokens_per_second)}.`
      : `Different answers. Foundry Local said: “${other.text}” (here: ${ids.length} tokens, ${reason}).`;
  }

  bubbles(question) {
    const place = element("p", { className: "answer" });
    byId("chat-log").append(element("p", { className: "question", textContent: question }), place);
    place.scrollIntoView({ block: "nearest" });
    return place;
  }

  setBusy(is) {
    byId("chat-send").disabled = is;
    byId("chat-stop").disabled = !is;
    if (is) byId("chat-compare").disabled = true;
  }
}

function figures(engine, { reason, ids, firstToken, tokensPerSecond }) {
  const ending = { stop: "complete", interrupted: "stopped by you", length: "cut at the limit" }[reason];
  const parts = [`${engine.label}: ${ending}`, `${ids.length} tokens`, `first token ${firstToken.toFixed(3)} s`];
  return `${[...parts, rate(tokensPerSecond)].join(" · ")}.`;
}

const rate = (value) => `${Math.round(value)} tokens/s`;

async function whyNot(response) {
  if (response.headers.get("content-type")?.startsWith("application/json")) return (await response.json()).error;
  return "this server cannot ask Foundry Local. Open the page with `labkit webgpu`, which can.";
}
