"""A bundled model never touches the network; any other model does, and says what happened there."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sys
from pathlib import Path

import pytest
from pages import Page, site
from programs import ASK, run

from labkit.catalog import PATH, bundled
from labkit.catalog_entry import CatalogEntry
from labkit.ports import free_port

_CALLS = "connect,sendto,sendmsg,sendmmsg"
_COLD = ASK + "import labkit; lab = labkit.connect('course-small'); print(answer(lab.endpoint, lab.model) != '')"
_LATER = 14  # seconds; what is known of waits for 9
_DEAD_END = f"http://127.0.0.1:{free_port()}"
_PROXIES = {
    name: _DEAD_END for upper in ("HTTP", "HTTPS", "ALL") for name in (f"{upper}_PROXY", f"{upper.lower()}_proxy")
}

pytestmark = pytest.mark.usefixtures("_own_port")


@pytest.fixture
def _own_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOUNDRY_PORT", str(free_port()))


def test_a_bundled_model_starts_answers_and_ends_without_any_call_beyond_this_machine(tmp_path: Path) -> None:
    """Every connection and every packet of a cold process is traced: no look-up, no catalog, no telemetry.

    The process runs without the variable CI, which would silence Foundry Local's telemetry by itself, and it lives for
    some seconds, because telemetry is collected first and sent later.
    """
    trace = _traced(f"{_COLD}; import time; time.sleep({_LATER})", tmp_path)
    assert any("/asset-gallery" in call for call in trace), (
        "the trace shows the loopback catalog, so it sees the runtime"
    )
    assert [call for call in trace if _leaves(call)] == []


def test_the_trace_would_show_a_look_up(tmp_path: Path) -> None:
    """A test that cannot fail proves nothing."""
    code = "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 53)); print(True)"
    assert any(map(_leaves, _traced(code, tmp_path)))


def test_a_dead_proxy_in_the_environment_does_no_harm(tmp_path: Path) -> None:
    """Company laptops have one set; the runtime, the catalog and the client are all on this machine."""
    done = run(_COLD, tmp_path, **_PROXIES)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_the_environment_is_left_as_it_was(tmp_path: Path) -> None:
    """Programs that the learner starts afterwards do not believe to run in CI."""
    code = "import os, labkit; before = dict(os.environ); labkit.connect('course-small'); print(os.environ == before)"
    assert run(code, tmp_path, NO_PROXY="example.org").stdout == "True\n"


def test_another_model_offline_says_what_was_tried_and_what_to_do(tmp_path: Path) -> None:
    """The bundled models still answer, at the same address, and the next attempt tries again."""
    code = (
        _COLD
        + _expecting("DownloadFailed", "phi-4-mini", "phi-4-mini")
        + "print(labkit.connect('course-small') is lab)"
    )
    done = run(code, tmp_path, timeout=30, FOUNDRY_CATALOG_URL=_DEAD_END + PATH)
    assert done.stderr == ""
    answered, *refused, same = done.stdout.splitlines()
    assert (answered, same) == ("True", "True")
    assert len(refused) == 2
    for line in refused:
        assert re.search(f"the catalog {_DEAD_END}.* did not answer .*refused.*Connect to the internet", line)
        assert "MODEL=course-large" in line


@pytest.mark.parametrize("page", [(503, "maintenance"), (200, "<html>Please sign in to the hotel's network</html>")])
def test_a_catalog_that_answers_nonsense_is_named(tmp_path: Path, page: Page) -> None:
    """A hotel's network answers everything with its own page."""
    with site({PATH: page}) as catalog:
        code = _COLD + _expecting("DownloadFailed", "phi-4-mini") + "print(answer(lab.endpoint, lab.model) != '')"
        done = run(code, tmp_path, FOUNDRY_CATALOG_URL=catalog.url + PATH)
    answered, refused, still = done.stdout.splitlines()
    assert (answered, still, done.stderr) == ("True", "True", "")
    assert "HTTP 503" in refused or "gave no list of models" in refused


def test_a_catalog_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """A wait has a limit."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}"
        done = run("import labkit\n" + _expecting("DownloadFailed", "phi-4-mini"), tmp_path, FOUNDRY_CATALOG_URL=url)
    assert re.search(r"no answer within \d+ s", done.stdout), done.stderr


def test_a_model_of_the_public_catalog_answers_and_an_earlier_lab_still_does(tmp_path: Path) -> None:
    """The runtime starts again for the new catalog, at the same port, with the same models."""
    _cached(tmp_path, "other-model")
    code = (
        _COLD
        + """
other = labkit.connect("Other-Model")
print(answer(lab.endpoint, lab.model) == answer(other.endpoint, other.model))
print(other.model, other.context_length, other.endpoint == lab.endpoint, labkit.connect("course-small") is lab)
"""
        + _expecting("ModelNotFound", "other-modle", "OTHER-MODEL:2")
    )
    with site({PATH: (200, _listing("other-model"))}) as catalog:
        done = run(code, tmp_path, FOUNDRY_CATALOG_URL=catalog.url + PATH)
    assert done.stderr == ""
    _, same, facts, *refused = done.stdout.splitlines()
    assert (facts, same) == ("other-model:1 1024 True True", "True")
    assert all("Did you mean other-model?" in line for line in refused)
    assert len(refused) == 2


def test_a_downloaded_model_starts_without_the_network_the_next_time(tmp_path: Path) -> None:
    """A learner downloads at home and works on the train."""
    _cached(tmp_path, "other-model")
    code = ASK + "import labkit; lab = labkit.connect('other-model:1'); print(answer(lab.endpoint, lab.model) != '')"
    with site({PATH: (200, _listing("other-model"))}) as catalog:
        online = run(code, tmp_path, FOUNDRY_CATALOG_URL=catalog.url + PATH)
        asked = len(catalog.keys)
        offline = run(code, tmp_path, FOUNDRY_CATALOG_URL=catalog.url + PATH)
        assert len(catalog.keys) == asked > 0
    assert online.stdout == offline.stdout == "True\n", online.stderr + offline.stderr


def test_a_download_that_fails_leaves_a_readable_error_and_shows_a_bar(tmp_path: Path) -> None:
    """The catalog lists the model, and its files cannot be reached."""
    code = "import labkit\n" + _expecting("DownloadFailed", "other-model")
    with site({PATH: (200, _listing("other-model"))}) as catalog:
        done = run(code, tmp_path, timeout=120, FOUNDRY_CATALOG_URL=catalog.url + PATH, **_PROXIES)
    assert re.match("'other-model' is not bundled, so it has to be downloaded, and that failed: .", done.stdout), (
        done.stderr
    )
    assert "Downloading other-model:1" in done.stderr
    assert "Traceback" not in done.stderr


def _traced(code: str, home: Path) -> list[str]:
    if sys.platform != "linux" or shutil.which("strace") is None:
        assert "CI" not in os.environ or sys.platform != "linux", "install strace: CI must not skip this proof"
        pytest.skip("strace is not installed")
    log = home / "trace"
    done = run(code, home, prefix=["strace", "-f", "-qq", "-s", "200", "-e", f"trace={_CALLS}", "-o", str(log)])
    assert done.stdout == "True\n", done.stderr
    return log.read_text().splitlines()


def _leaves(call: str) -> bool:
    """Says whether a traced call goes to an address beyond this machine; data without address follows a connection."""
    address = re.search(r"(sa_family|sin6?_addr)", call)
    return bool(address) and not re.search(r'AF_UNIX|AF_NETLINK|inet_addr\("127\.|"::1"', call)


def _expecting(error: str, *names: str) -> str:
    return f"""
for name in {names!r}:
    try:
        labkit.connect(name)
    except labkit.errors.{error} as error:
        print(error)
"""


def _listing(alias: str) -> dict[str, object]:
    asset = f"azureml://registries/azureml/models/{alias}/versions/1"
    return {"value": [CatalogEntry(alias, alias, 1, "Somebody", asset, 1, context_length=1024).as_json()]}


def _cached(home: Path, alias: str) -> None:
    folder = home / "models/Somebody" / alias
    shutil.copytree(bundled()["course-small"].folder, folder)
    (folder / "inference_model.json").write_text(json.dumps({"Name": f"{alias}:1"}))
