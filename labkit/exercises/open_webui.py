"""The exercises of notebook 07, Open WebUI.

Every check puts a simulated Open WebUI in front of a real Foundry Local, breaks one of the two, and looks at what the
learner's code makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from labkit.client import Lab, connect
from labkit.exercises.exercise import exercise, learners_code
from labkit.exercises.shown import show
from labkit.exercises.verdict import Right, Verdict, Wrong
from labkit.open_webui import OpenWebUI, Report, Simulated, check, configure
from labkit.ports import free_port

_QUESTION = "What is a token?"
_CHAT = "/api/chat/completions"
_LIMIT = 60  # tokens


@exercise(
    hints=(
        "Open WebUI speaks OpenAI's language under `/api`: `OpenAI(base_url=url + '/api', api_key=...)`.",
        "Where nobody has to log in, `OpenWebUI(url).sign_in()` gives a token. That token is the API key.",
        "`client.models.list().data[0].id` is a model of its list. Then `client.chat.completions.create(...)`.",
    ),
    solution='''
from openai import OpenAI

from labkit.open_webui import OpenWebUI


def ask_through(url, question):
    """Asks the first model of an Open WebUI, and gives the answer."""
    with OpenWebUI(url) as page:
        token = page.sign_in()
    client = OpenAI(base_url=f"{url}/api", api_key=token)
    reply = client.chat.completions.create(
        model=client.models.list().data[0].id,
        messages=[{"role": "user", "content": question}],
        max_tokens=60,
    )
    return reply.choices[0].message.content
''',
)
def q1(ask_through: Callable[[str, str], object]) -> Verdict:
    """Write a function that asks a question through Open WebUI's API."""
    with _open_webui() as (_, ui):
        with learners_code():
            came = ask_through(ui.url, _QUESTION)
        with OpenWebUI(ui.url) as page:
            page.sign_in()
            expected = page.ask(page.models()[0], _QUESTION, max_tokens=_LIMIT)
        chats = [body for path, body in ui.requests if path == _CHAT][:-1]
    if not chats:
        return Wrong(f"a request to {_CHAT} of Open WebUI", "no such request")
    if chats[0].get("max_tokens") != _LIMIT or chats[0]["messages"][-1]["content"] != _QUESTION:
        return Wrong(f"a request with the question and max_tokens={_LIMIT}", show(chats[0]))
    if came != expected:
        return Wrong(f"the text of the answer: {show(expected)}", show(came))
    return Right(
        "Whatever speaks OpenAI's language can chat through Open WebUI, with the rights of a user of the page."
    )


class _Scene(NamedTuple):
    what: str
    level: int
    lab: Lab
    url: str


@exercise(
    hints=(
        "Go upwards, and return at the first level that fails. The end of the function is the place for `return 0`.",
        "Level 1: `lab.model in Service(lab.endpoint.removesuffix('/v1')).loaded_ids()`; level 2: `page.is_healthy()`.",
        "Each of the three may raise: catch `LabkitError`, and take it for a no.",
    ),
    solution='''
from labkit.errors import LabkitError
from labkit.open_webui import OpenWebUI
from labkit.service import Service


def holds(look):
    """Says whether a look succeeds."""
    try:
        return bool(look())
    except LabkitError:
        return False


def broken_level(lab, url):
    """Gives the first level that is broken, 1 to 3, or 0."""
    with OpenWebUI(url) as page:
        if not holds(lambda: lab.model in Service(lab.endpoint.removesuffix("/v1")).loaded_ids()):
            return 1
        if not holds(page.is_healthy):
            return 2
        if not holds(lambda: page.sign_in() and page.ask(lab.model, "Hello")):
            return 3
    return 0
''',
)
def q2(broken_level: Callable[[Lab, str], object]) -> Verdict:
    """Write a check of your own: it says which of the three levels is broken."""
    with _open_webui() as (lab, healthy), _open_webui(OPENAI_API_BASE_URLS="http://127.0.0.1:9/v1") as (_, lost):
        nobody = f"http://127.0.0.1:{free_port()}"
        silent = Lab(lab.source, f"{nobody}/v1", lab.api_key, lab.model)
        unloaded = Lab(lab.source, lab.endpoint, lab.api_key, "phi-4-mini:1")
        for scene in (
            _Scene("all is well", 0, lab, healthy.url),
            _Scene("nothing listens where Foundry Local should be", 1, silent, healthy.url),
            _Scene("the model is not in memory", 1, unloaded, healthy.url),
            _Scene("Open WebUI does not run", 2, lab, nobody),
            _Scene("Open WebUI asks the wrong address for models", 3, lab, lost.url),
            _Scene("neither of them runs", 1, silent, nobody),
        ):
            with learners_code():
                came = broken_level(scene.lab, scene.url)
            if came != scene.level or isinstance(came, bool):
                return Wrong(f"{scene.level}, because {scene.what}", show(came))
    return Right("You start at the bottom, and the first level that fails is the one to mend.")


_SWITCHES = {
    "ENABLE_OLLAMA_API": ("false", "nobody runs Ollama here"),
    "ENABLE_PERSISTENT_CONFIG": ("false", "else values that were saved in its pages win over yours"),
    "ENABLE_TITLE_GENERATION": ("false", "each answer would cost another request for a title"),
    "ENABLE_TAGS_GENERATION": ("false", "each answer would cost another request for tags"),
    "ENABLE_FOLLOW_UP_GENERATION": ("false", "each answer would cost another request for follow-ups"),
}


@exercise(
    hints=(
        "Values of environment variables are texts: `'False'`, not `False`; a dictionary becomes a text with "
        "`json.dumps(...)`.",
        "The server stands in `OPENAI_API_BASE_URLS`, and `OPENAI_API_KEYS` needs a key for it, although nobody checks "
        "it.",
        "For a small model: `DEFAULT_MODEL_PARAMS` with a `max_tokens` of at most a quarter of the context, and "
        "`DEFAULT_MODEL_METADATA` with `{'capabilities': {'builtin_tools': False}}`.",
    ),
    solution='''
import json


def settings_for(lab):
    """Gives the environment variables for Open WebUI in front of a small model."""
    return {
        "OPENAI_API_BASE_URLS": lab.endpoint,
        "OPENAI_API_KEYS": "not-required",
        "WEBUI_AUTH": "False",
        "ENABLE_OLLAMA_API": "False",
        "ENABLE_PERSISTENT_CONFIG": "False",
        "ENABLE_TITLE_GENERATION": "False",
        "ENABLE_TAGS_GENERATION": "False",
        "ENABLE_FOLLOW_UP_GENERATION": "False",
        "DEFAULT_MODEL_PARAMS": json.dumps({"max_tokens": lab.context_length // 4}),
        "DEFAULT_MODEL_METADATA": json.dumps({"capabilities": {"builtin_tools": False}}),
    }
''',
)
def q3(settings_for: Callable[[Lab], object]) -> Verdict:
    """Write a function that gives the settings of Open WebUI for a small model."""
    lab = connect("course-small")
    with learners_code():
        came = settings_for(lab)
    if not isinstance(came, dict) or not all(isinstance(part, str) for pair in came.items() for part in pair):
        return Wrong("a dictionary of texts, such as {'WEBUI_AUTH': 'False'}", show(came))
    for name, (value, why) in _SWITCHES.items():
        if came.get(name, "").lower() != value:
            return Wrong(f"{name}={value.capitalize()}, because {why}", f"{name}={came.get(name, '(not set)')}")
    try:
        with Simulated(came) as ui:
            report = check(lab, ui.url)
    except ValueError as error:
        return Wrong("JSON in DEFAULT_MODEL_PARAMS and DEFAULT_MODEL_METADATA", f"a text that is no JSON ({error})")
    if not report.is_ok:
        return Wrong("settings with which a chat completes", _words(report))
    return Right("With your settings the three levels pass, and each question costs one request.")


@exercise(
    hints=(
        "Two things decide: does the address lead to this machine, and does the container share its network?",
        "`urlsplit(url).hostname` gives the host; this machine is `localhost`, `127.0.0.1` or `::1`.",
        "Keep scheme, port and path: `urlunsplit(parts._replace(netloc=f'host.docker.internal:{parts.port}'))`.",
    ),
    solution='''
from urllib.parse import urlsplit, urlunsplit


def seen_from(url, network):
    """Gives the address under which a container reaches a server."""
    parts = urlsplit(url)
    if network == "host" or parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        return url
    return urlunsplit(parts._replace(netloc=f"host.docker.internal:{parts.port}"))
''',
)
def q4(seen_from: Callable[[str, str], object]) -> Verdict:
    """Write a function that gives the address of a server as a container sees it."""
    local, cloud = "http://127.0.0.1:51211/v1", "https://name.openai.azure.com/openai/v1"
    for url, network, expected in (
        (local, "desktop", "http://host.docker.internal:51211/v1"),
        ("http://localhost:8000/v1", "desktop", "http://host.docker.internal:8000/v1"),
        ("http://[::1]:51211/v1", "desktop", "http://host.docker.internal:51211/v1"),
        (local, "host", local),
        (cloud, "desktop", cloud),
        (cloud, "host", cloud),
    ):
        with learners_code():
            came = seen_from(url, network)
        if came != expected:
            return Wrong(f"{expected} for {url} with the network {network!r}", show(came))
    return Right("Your function knows whose 127.0.0.1 it is.")


@exercise(
    hints=(
        "`check(lab, page.url)` gives a report. When `report.is_ok`, there is nothing to do.",
        "`report.trouble` is the name of the trouble. Remember it before you mend anything.",
        "`wrong-address` and `no-v1` are mended by `page.connect_to(lab.endpoint)`; the other two by "
        "`page.set_model_defaults(...)`, with the variables that `report.fix` names.",
    ),
    solution='''
from labkit.open_webui import check


def mend(page, lab):
    """Mends what is wrong with an Open WebUI; gives the names of the troubles."""
    troubles = []
    while not (report := check(lab, page.url)).is_ok and report.trouble not in troubles:
        troubles.append(report.trouble)
        if report.trouble in ("wrong-address", "no-v1"):
            page.connect_to(lab.endpoint)
        elif report.trouble == "no-token-limit":
            page.set_model_defaults(DEFAULT_MODEL_PARAMS={"max_tokens": 256})
        elif report.trouble == "page-tools":
            page.set_model_defaults(DEFAULT_MODEL_METADATA={"capabilities": {"builtin_tools": False}})
    return troubles
''',
)
def q5(mend: Callable[[OpenWebUI, Lab], object]) -> Verdict:
    """Write a function that mends four troubles, also when several come together."""
    root = connect("course-small").endpoint.removesuffix("/v1")
    nobody, no_limit, tools = "http://127.0.0.1:9/v1", {"DEFAULT_MODEL_PARAMS": "{}"}, {"DEFAULT_MODEL_METADATA": "{}"}
    for changes, expected in (
        ({}, []),
        ({"OPENAI_API_BASE_URLS": nobody}, ["wrong-address"]),
        ({"OPENAI_API_BASE_URLS": root}, ["no-v1"]),
        (no_limit, ["no-token-limit"]),
        (tools, ["page-tools"]),
        ({"OPENAI_API_BASE_URLS": root, **no_limit}, ["no-v1", "no-token-limit"]),
    ):
        if problem := _judge_mending(mend, changes, expected):
            return problem
    return Right("Your function asks again after each repair, so that no trouble hides behind another one.")


def _judge_mending(
    mend: Callable[[OpenWebUI, Lab], object], changes: Mapping[str, str], expected: list[str]
) -> Wrong | None:
    broken = " and ".join(expected) or "nothing"
    with _open_webui(**changes) as (lab, ui), OpenWebUI(ui.url) as page:
        page.sign_in()
        with learners_code():
            came = mend(page, lab)
        report = check(lab, ui.url)
    if not report.is_ok:
        return Wrong(f"three levels that pass after {broken} was mended", _words(report))
    if came != expected:
        return Wrong(f"{expected}, the names of what was mended", show(came))
    has_changed = any("update" in path or (path.endswith("/models") and body) for path, body in ui.requests)
    if not expected and has_changed:
        return Wrong("hands off when nothing is broken", "a change of the settings")
    return None


@contextmanager
def _open_webui(**changes: str) -> Iterator[tuple[Lab, Simulated]]:
    """Gives a simulated Open WebUI with labkit's own settings, some of them changed, and the model behind it."""
    lab = connect("course-small")
    with Simulated({**configure(lab).environment(Path("unused")), **changes}) as ui:
        yield lab, ui


def _words(report: Report) -> str:
    return f"{report.decisive.name}: {report.decisive.output}"
