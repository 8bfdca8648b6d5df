"""Wrong answers to the exercises of notebook 07: what learners really write at first."""

_ASK = """
from openai import OpenAI

from labkit.open_webui import OpenWebUI


def ask_through(url, question):
    with OpenWebUI(url) as page:
        token = page.sign_in()
    with OpenAI(base_url={base}, api_key={key}) as client:
        model = client.models.list().data[0].id
        messages = [{{"role": "user", "content": question}}]
        reply = client.chat.completions.create(model=model, messages=messages, {settings})
    return reply.{result}
"""
_RIGHT = {"base": 'f"{url}/api"', "key": "token", "settings": "max_tokens=60", "result": "choices[0].message.content"}

q1 = [
    _ASK.format(**{**_RIGHT, "base": 'f"{url}/v1"'}),  # Foundry Local's path
    _ASK.format(**{**_RIGHT, "key": '"not-required"'}),  # Foundry Local's key
    _ASK.format(**{**_RIGHT, "settings": "max_tokens=20"}),
    _ASK.format(**{**_RIGHT, "result": "choices[0].message"}),
    # goes past Open WebUI
    """
import labkit


def ask_through(url, question):
    lab = labkit.connect("course-small")
    messages = [{"role": "user", "content": question}]
    reply = lab.client.chat.completions.create(model=lab.model, messages=messages, max_tokens=60)
    return reply.choices[0].message.content
""",
]

q2 = [
    "def broken_level(lab, url): return 0",
    # looks at the page first
    """
from labkit.errors import LabkitError
from labkit.open_webui import OpenWebUI


def broken_level(lab, url):
    with OpenWebUI(url) as page:
        try:
            page.is_healthy()
        except LabkitError:
            return 2
        try:
            page.sign_in()
            page.ask(lab.model, "Hello")
        except LabkitError:
            return 1
    return 0
""",
    # takes a port that answers for a model in memory
    """
from labkit.open_webui import check
from labkit.service import Service


def broken_level(lab, url):
    if not Service(lab.endpoint.removesuffix("/v1")).is_running():
        return 1
    report = check(lab, url)
    return 0 if report.is_ok else max(level.number for level in report.levels if level.status == "fail")
    """.replace("report = check(lab, url)", "report = check(labkit.connect('course-small'), url)"),
    # lets the error through
    """
from labkit.open_webui import OpenWebUI


def broken_level(lab, url):
    with OpenWebUI(url) as page:
        page.sign_in()
        page.ask(lab.model, "Hello")
    return 0
""",
]

_SETTINGS = """
import json


def settings_for(lab):
    settings = {
        "OPENAI_API_BASE_URLS": lab.endpoint,
        "OPENAI_API_KEYS": "not-required",
        "WEBUI_AUTH": "False",
        "ENABLE_OLLAMA_API": "False",
        "ENABLE_PERSISTENT_CONFIG": "False",
        "ENABLE_TITLE_GENERATION": "False",
        "ENABLE_TAGS_GENERATION": "False",
        "ENABLE_FOLLOW_UP_GENERATION": "False",
        "DEFAULT_MODEL_PARAMS": json.dumps({"max_tokens": 256}),
        "DEFAULT_MODEL_METADATA": json.dumps({"capabilities": {"builtin_tools": False}}),
    }
    CHANGE
    return settings
"""

q3 = [
    _SETTINGS.replace("CHANGE", change)
    for change in (
        'settings["WEBUI_AUTH"] = False',
        'settings["OPENAI_API_BASE_URLS"] = lab.endpoint.removesuffix("/v1")',
        'settings["DEFAULT_MODEL_PARAMS"] = str({"max_tokens": 256})',
        'settings["DEFAULT_MODEL_PARAMS"] = json.dumps({"max_tokens": 2048})',
        'del settings["DEFAULT_MODEL_PARAMS"]',
        'del settings["DEFAULT_MODEL_METADATA"]',
        'del settings["ENABLE_TITLE_GENERATION"]',
        'settings["ENABLE_PERSISTENT_CONFIG"] = "True"',
    )
]

q4 = [
    "def seen_from(url, network): return url",
    "def seen_from(url, network): return url.replace('127.0.0.1', 'host.docker.internal')",
    "def seen_from(url, network): return 'http://host.docker.internal:51211/v1' if network == 'desktop' else url",
    # forgets the port
    """
from urllib.parse import urlsplit, urlunsplit


def seen_from(url, network):
    parts = urlsplit(url)
    if network == "host" or parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        return url
    return urlunsplit(parts._replace(netloc="host.docker.internal"))
""",
    # sends the cloud through the host
    """
from urllib.parse import urlsplit, urlunsplit


def seen_from(url, network):
    parts = urlsplit(url)
    if network == "host":
        return url
    return urlunsplit(parts._replace(netloc=f"host.docker.internal:{parts.port}"))
""",
]

_MEND = """
from labkit.open_webui import check


def mend(page, lab):
    troubles = []
    REPEAT (report := check(lab, page.url)).is_ok and report.trouble not in troubles:
        troubles.append(report.trouble)
        if report.trouble in ("wrong-address", "no-v1"):
            page.connect_to(ADDRESS)
        elif report.trouble == "no-token-limit":
            page.set_model_defaults(DEFAULT_MODEL_PARAMS={"max_tokens": 256})
        elif report.trouble == "page-tools":
            page.set_model_defaults(DEFAULT_MODEL_METADATA={"capabilities": {"builtin_tools": False}})
    return troubles
"""

q5 = [
    _MEND.replace("REPEAT", "if not").replace("ADDRESS", "lab.endpoint"),  # mends one trouble only
    _MEND.replace("REPEAT", "while not").replace("ADDRESS", "lab.endpoint.removesuffix('/v1')"),
    # changes everything, whatever is wrong
    """
def mend(page, lab):
    page.connect_to(lab.endpoint)
    page.set_model_defaults(
        DEFAULT_MODEL_PARAMS={"max_tokens": 256}, DEFAULT_MODEL_METADATA={"capabilities": {"builtin_tools": False}}
    )
    return []
""",
    # names the trouble, and leaves it
    """
from labkit.open_webui import check


def mend(page, lab):
    report = check(lab, page.url)
    return [] if report.is_ok else [report.trouble]
""",
]
