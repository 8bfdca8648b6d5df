// Two things that Chainlit's page lacks: a banner that says when no model can answer, and a live region in which screen
// readers hear a streamed answer. It asks its own server only, and it knows nothing of how answers come about.

const EVERY = 5_000; // milliseconds between two looks at health
const QUIET = 700; // milliseconds without a new token, after which what has come is read out

const TEXTS = {
  en: {
    fail: "No model can answer now",
    warn: "One of the models cannot answer now, or is slow",
    unknown: "The models are starting",
    gone: "The chat application does not answer. Start it again: labkit chat",
    names: {
      "#chat-input, #edit-chat-input": "Your question",
      ".edit-message": "Edit the question",
      "[class*=positive-feedback]": "Good answer",
      "[class*=negative-feedback]": "Bad answer",
      "button:has(> .lucide-copy)": "Copy",
      "#chat-settings-open-modal": "Settings",
    },
  },
  de: {
    fail: "Zurzeit kann kein Modell antworten",
    warn: "Eines der Modelle kann zurzeit nicht antworten oder ist langsam",
    unknown: "Die Modelle starten gerade",
    gone: "Die Chat-Anwendung antwortet nicht. Starten Sie sie neu: labkit chat",
    names: {
      "#chat-input, #edit-chat-input": "Ihre Frage",
      ".edit-message": "Frage ändern",
      "[class*=positive-feedback]": "Gute Antwort",
      "[class*=negative-feedback]": "Schlechte Antwort",
      "button:has(> .lucide-copy)": "Kopieren",
      "#chat-settings-open-modal": "Einstellungen",
    },
  },
};
const language = navigator.language.startsWith("de") ? "de" : "en";
const texts = TEXTS[language];
document.documentElement.lang = language;

function region(id, role) {
  const element = document.createElement("div");
  element.id = id;
  element.setAttribute("role", role);
  element.setAttribute("aria-live", "polite");
  document.body.append(element);
  return element;
}

const banner = region("health-banner", "status");
banner.hidden = true;

function show(status, words) {
  banner.hidden = words === "";
  banner.dataset.status = status;
  if (banner.textContent !== words) banner.textContent = words;
}

async function look() {
  try {
    const health = await (await fetch("/healthz", { cache: "no-store" })).json();
    const why = health.status === "unknown" ? "" : (health.output ?? "");
    const words = health.status === "pass" ? "" : [texts[health.status], why].filter(Boolean).join(": ");
    show(health.status, words);
  } catch {
    show("fail", texts.gone);
  }
}

look();
setInterval(() => document.hidden || look(), EVERY);
document.addEventListener("visibilitychange", () => document.hidden || look());

const spoken = region("spoken-answer", "log");
let heard = "";
let waiting = 0;

function speak() {
  const answers = document.querySelectorAll('.step[data-step-type="assistant_message"] .message-content');
  const text = answers.length ? answers[answers.length - 1].innerText : "";
  const news = text.startsWith(heard) ? text.slice(heard.length) : text;
  heard = text;
  if (news.trim()) {
    const line = document.createElement("p");
    line.textContent = news;
    spoken.append(line);
    while (spoken.children.length > 3) spoken.firstElementChild.remove();
  }
}

function label() {
  for (const [selector, name] of Object.entries(texts.names)) {
    for (const element of document.querySelectorAll(`:is(${selector}):not([aria-label])`)) {
      element.setAttribute("aria-label", name); // Chainlit's buttons show icons only
    }
  }
}

new MutationObserver((changes) => {
  if (changes.every((change) => spoken.contains(change.target) || banner.contains(change.target))) return;
  label();
  clearTimeout(waiting);
  waiting = setTimeout(speak, QUIET);
}).observe(document.body, { childList: true, subtree: true, characterData: true });
