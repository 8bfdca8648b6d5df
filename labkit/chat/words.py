"""What the application says, in English and in German.

It knows nothing of when something is said.
"""

from __future__ import annotations

from collections.abc import Mapping

_ENGLISH: Mapping[str, str] = {
    "local": "The model on this machine ({source}). What you write stays here.",
    "server": "The server at {source}.",
    "cloud": "{source}. What you write leaves this machine.",
    "simulated": "A **simulated** cloud: slow and priced like a real one, but run on this machine.",
    "auto": "Short questions stay local, long ones go to the cloud. Each answer says who gave it, and why.",
    "settings_model": "Model of the profile Local",
    "settings_temperature": "Temperature: 0 answers the same each time, more gives variety",
    "settings_max_tokens": "Longest answer, in tokens",
    "settings_system": "System prompt",
    "settings_private": "Privacy: nothing may leave this machine",
    "stopped": "stopped",
    "stopped_early": "Stopped before the first word.",
    "cut": "The answer was cut at {tokens} tokens; the settings allow more.",
    "forgotten": "{count} earlier questions no longer fit into the model and were left out",
    "first_token": "first token {ms} ms",
    "speed": "{speed} tokens/s",
    "simulated_cloud": "simulated cloud",
    "fell_back": "{first} did not answer, so {name} was asked",
    "routing": "Routing",
    "routed": "**{backend}** is asked first, because of the rule *{rule}*: {reason}.",
    "unexpected": "The application made a mistake.",
    "unexpected_fix": "Ask again. If it goes on, the log shows what happened: `labkit chat --logs`.",
    "details": "Details",
    "retry": "Retry",
    "ask_other": "Ask {name} instead",
    "empty": "Type a question first: the message was empty.",
    "down": "**{name} cannot be reached.**",
    "down_fix": "Start it again (`labkit serve` for Foundry Local), then retry.",
    "slow": "**{name} did not answer in time.**",
    "slow_fix": "Retry, or ask something shorter.",
    "broken": "**The answer broke off.** What arrived is shown above, but it is not complete.",
    "broken_fix": "Retry for a whole answer.",
    "limited": "**{name} wants fewer requests for now.**",
    "limited_fix": "Wait a little, then retry.",
    "key": "**{name} refuses the API key.**",
    "key_fix": "Set API_KEY, and start the application again.",
    "long": "**The question is too long:** with its answer it needs {needed} tokens, and the model holds {limit}.",
    "long_fix": "Shorten it, or allow fewer tokens for the answer in the settings.",
    "model": "**{name} does not know the model.**",
    "model_fix": "Choose another model in the settings, or correct MODEL.",
    "private": "**Privacy is on, so nothing may leave this machine.**",
    "private_fix": "Ask the model on this machine, or turn privacy off in the settings.",
    "nobody": "**No backend can answer now.**",
    "nobody_fix": "Retry in a moment.",
    "failed": "**{name} failed.**",
    "failed_fix": "Retry. If it goes on, `labkit doctor` looks for the cause.",
    "starter_1": "Why do chat apps stream tokens?",
    "starter_2": "What is Foundry Local?",
    "starter_3": "When should a question go to the cloud?",
    "starter_4": "How do I check that a model is healthy?",
}

_GERMAN: Mapping[str, str] = {
    "local": "Das Modell auf diesem Rechner ({source}). Was Sie schreiben, bleibt hier.",
    "server": "Der Server unter {source}.",
    "cloud": "{source}. Was Sie schreiben, verlässt diesen Rechner.",
    "simulated": "Eine **simulierte** Cloud: so langsam und so teuer wie eine echte, aber auf diesem Rechner.",
    "auto": "Kurze Fragen bleiben lokal, lange gehen in die Cloud. Jede Antwort sagt, wer sie gab und warum.",
    "settings_model": "Modell des Profils Local",
    "settings_temperature": "Temperatur: 0 antwortet immer gleich, mehr gibt Abwechslung",
    "settings_max_tokens": "Längste Antwort, in Tokens",
    "settings_system": "Systemanweisung",
    "settings_private": "Datenschutz: nichts darf diesen Rechner verlassen",
    "stopped": "angehalten",
    "stopped_early": "Vor dem ersten Wort angehalten.",
    "cut": "Die Antwort wurde nach {tokens} Tokens abgeschnitten; die Einstellungen erlauben mehr.",
    "forgotten": "{count} frühere Fragen passen nicht mehr in das Modell und wurden weggelassen",
    "first_token": "erstes Token nach {ms} ms",
    "speed": "{speed} Tokens/s",
    "simulated_cloud": "simulierte Cloud",
    "fell_back": "{first} hat nicht geantwortet, also wurde {name} gefragt",
    "routing": "Routing",
    "routed": "**{backend}** wird zuerst gefragt, wegen der Regel *{rule}*: {reason}.",
    "unexpected": "Die Anwendung hat einen Fehler gemacht.",
    "unexpected_fix": "Fragen Sie noch einmal. Bleibt es dabei, zeigt das Protokoll den Grund: `labkit chat --logs`.",
    "details": "Einzelheiten",
    "retry": "Noch einmal",
    "ask_other": "Stattdessen {name} fragen",
    "empty": "Schreiben Sie zuerst eine Frage: Die Nachricht war leer.",
    "down": "**{name} ist nicht erreichbar.**",
    "down_fix": "Starten Sie es neu (Foundry Local mit `labkit serve`) und versuchen Sie es noch einmal.",
    "slow": "**{name} hat nicht rechtzeitig geantwortet.**",
    "slow_fix": "Versuchen Sie es noch einmal, oder fragen Sie kürzer.",
    "broken": "**Die Antwort brach ab.** Was ankam, steht oben; es ist nicht vollständig.",
    "broken_fix": "Versuchen Sie es noch einmal, um die ganze Antwort zu bekommen.",
    "limited": "**{name} möchte gerade weniger Anfragen.**",
    "limited_fix": "Warten Sie ein wenig und versuchen Sie es dann noch einmal.",
    "key": "**{name} lehnt den API-Schlüssel ab.**",
    "key_fix": "Setzen Sie API_KEY, und starten Sie die Anwendung neu.",
    "long": "**Die Frage ist zu lang:** Mit der Antwort braucht sie etwa {needed} Tokens; das Modell fasst {limit}.",
    "long_fix": "Kürzen Sie die Frage, oder erlauben Sie in den Einstellungen weniger Tokens für die Antwort.",
    "model": "**{name} kennt das Modell nicht.**",
    "model_fix": "Wählen Sie in den Einstellungen ein anderes Modell, oder berichtigen Sie MODEL.",
    "private": "**Der Datenschutz ist eingeschaltet; nichts darf diesen Rechner verlassen.**",
    "private_fix": "Fragen Sie das Modell auf diesem Rechner, oder schalten Sie den Datenschutz aus.",
    "nobody": "**Zurzeit kann niemand antworten.**",
    "nobody_fix": "Versuchen Sie es gleich noch einmal.",
    "failed": "**{name} hat versagt.**",
    "failed_fix": "Versuchen Sie es noch einmal. Bleibt es dabei, sucht `labkit doctor` nach der Ursache.",
    "starter_1": "Warum streamen Chat-Apps Tokens?",
    "starter_2": "Was ist Foundry Local?",
    "starter_3": "Wann gehört eine Frage in die Cloud?",
    "starter_4": "Wie prüfe ich, ob ein Modell gesund ist?",
}

LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": _ENGLISH, "de": _GERMAN}


class Words:
    """The texts of one language: German where the browser asks for it, else English.

    Args:
        language: what the browser asks for, such as `de-AT`; None for English.
    """

    def __init__(self, language: str | None) -> None:
        self.language = "de" if (language or "").lower().startswith("de") else "en"

    def __call__(self, key: str, **values: object) -> str:
        """Gives a text.

        Args:
            key: which one.
            values: what to put into its gaps.
        """
        return LANGUAGES[self.language][key].format(**values)
