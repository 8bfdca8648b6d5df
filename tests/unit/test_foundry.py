"""Code for the first Foundry Local SDK works after changing one import, again and again, from anywhere."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import openai
import pytest
from pages import site
from programs import ASK, SERVE, run, running

from labkit.client import Lab
from labkit.errors import ModelNotFound
from labkit.foundry import FoundryLocalManager, ModelInfo
from labkit.ports import free_port

_QUESTION = [{"role": "user", "content": "What is streaming?"}]


def test_code_for_the_old_sdk_works_after_changing_one_import() -> None:
    """These are the lines of the course that this one follows."""
    alias = "course-small"
    manager = FoundryLocalManager(alias)
    model_info = manager.get_model_info(alias)
    client = openai.OpenAI(base_url=manager.endpoint, api_key=manager.api_key or "not-required", max_retries=0)
    model_name = model_info.id if model_info else alias
    stream = client.chat.completions.create(model=model_name, messages=_QUESTION, stream=True, max_tokens=8)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    client.close()
    assert text
    assert manager.endpoint == f"{manager.service_uri}/v1"
    assert manager.is_service_running()


def test_a_manager_constructed_again_shares_the_service(small: Lab) -> None:
    """A cell is run again, and nothing starts twice."""
    uris = {FoundryLocalManager("course-small").service_uri, FoundryLocalManager().service_uri}
    assert uris == {small.endpoint.removesuffix("/v1")}


def test_eight_threads_at_once_get_one_service_with_one_model(tmp_path: Path) -> None:
    """The first start of all is the one with the race."""
    code = (
        ASK
        + """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from labkit.foundry import FoundryLocalManager
barrier = Barrier(8)
def construct(_):
    barrier.wait()
    return FoundryLocalManager("course-small")
with ThreadPoolExecutor(8) as pool:
    managers = list(pool.map(construct, range(8)))
print(len({m.endpoint for m in managers}), [m.id for m in managers[0].list_loaded_models()])
print(len({answer(m.endpoint, "course-small:1") for m in managers}))
"""
    )
    done = run(code, tmp_path, FOUNDRY_PORT=str(free_port()))
    assert done.stdout == "1 ['course-small:1']\n1\n", done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["course-small", "course-small:1", "Course-Small", "COURSE-SMALL:1"])
def test_an_alias_and_an_id_in_any_case_are_accepted_everywhere(name: str) -> None:
    """Every method takes both."""
    manager = FoundryLocalManager(name)
    for info in (manager.get_model_info(name), manager.load_model(name), manager.download_model(name)):
        assert (info.alias, info.id, info.cached, info.loaded) == ("course-small", "course-small:1", True, True)
        assert info.context_length == 1024


def test_a_model_is_listed_loaded_and_unloaded() -> None:
    """The three lists agree with what was done."""
    manager = FoundryLocalManager("course-small")
    manager.load_model("course-large")
    assert _aliases(manager.list_loaded_models()) >= {"course-small", "course-large"}
    manager.unload_model("course-large:1")
    manager.unload_model("course-large")
    assert "course-large" not in _aliases(manager.list_loaded_models())
    assert _aliases(manager.list_catalog_models()) == _aliases(manager.list_cached_models())
    assert _aliases(manager.list_catalog_models()) == {"course-small", "course-large"}


@pytest.mark.parametrize("name", ["course-smal", "Course-Lage", "course-large:2", "coursesmall"])
def test_a_wrong_alias_is_answered_with_the_nearest_without_the_network(name: str) -> None:
    """The catalog's address leads nowhere, and is not tried: a slip of the finger is known for one."""
    with pytest.raises(ModelNotFound, match=r"in the bundled models. Did you mean course-") as caught:
        FoundryLocalManager(name)
    assert caught.value.nearest[0] == ("course-large" if "la" in name.lower() else "course-small")


def test_without_bootstrap_nothing_starts(tmp_path: Path) -> None:
    """The old SDK promised the same."""
    code = """
from labkit.foundry import FoundryLocalManager
from labkit.runtime import own_service
from labkit.errors import RuntimeUnavailable
manager = FoundryLocalManager("course-small", bootstrap=False)
print(own_service(), manager.is_service_running())
try:
    manager.endpoint
except RuntimeUnavailable as error:
    print(error)
manager.start_service()
print(manager.is_service_running(), manager.list_loaded_models())
"""
    done = run(code, tmp_path, FOUNDRY_PORT=str(free_port()))
    expected = "None False\nNo service was started. Call `manager.start_service()` first.\nTrue []\n"
    assert done.stdout == expected, done.stderr


def test_beside_another_process_that_serves_its_service_is_used(tmp_path: Path) -> None:
    """Two processes share one model in memory, and give the same answers."""
    port = str(free_port())
    code = (
        ASK
        + """
import labkit
from labkit.runtime import own_service
lab = labkit.connect("course-small")
print(lab.endpoint, own_service() is None, repr(answer(lab.endpoint, lab.model)), sep="|")
"""
    )
    with running(SERVE, tmp_path, FOUNDRY_PORT=port):
        attached = run(code, tmp_path, FOUNDRY_PORT=port)
    alone = run(code, tmp_path, FOUNDRY_PORT=port)
    assert attached.stderr == alone.stderr == ""
    assert attached.stdout.startswith(f"http://127.0.0.1:{port}/v1|True|")
    assert not alone.stdout.startswith(f"http://127.0.0.1:{port}/v1|")
    assert attached.stdout.rpartition("|")[2] == alone.stdout.rpartition("|")[2]


def test_a_manager_that_is_attached_serves_every_method(tmp_path: Path) -> None:
    """The interface does not tell where the model is."""
    port = str(free_port())
    code = """
from labkit.foundry import FoundryLocalManager
from labkit.errors import ModelNotFound
manager = FoundryLocalManager("COURSE-LARGE")
print(sorted(m.alias for m in manager.list_loaded_models()), sorted(m.alias for m in manager.list_catalog_models()))
print(manager.get_model_info("course-large").context_length, manager.load_model("course-small:1").id)
manager.unload_model("Course-Large:1")
print([m.id for m in manager.list_loaded_models()])
try:
    manager.load_model("course-lage")
except ModelNotFound as error:
    print(error.nearest[0])
"""
    with running(SERVE, tmp_path, FOUNDRY_PORT=port):
        done = run(code, tmp_path, FOUNDRY_PORT=port)
    both = "['course-large', 'course-small']"
    assert done.stdout == f"{both} {both}\n1024 course-small:1\n['course-small:1']\ncourse-large\n", done.stderr


def test_when_the_other_process_dies_this_one_serves_itself(tmp_path: Path) -> None:
    """The learner runs the cell again, and it works again; what dies is killed, not asked."""
    port = str(free_port())
    code = (
        ASK
        + """
import labkit, sys
first = labkit.connect("course-small")
print("ready", flush=True)
sys.stdin.readline()
second = labkit.connect("course-small")
print(first.endpoint == second.endpoint, answer(second.endpoint, second.model) != "")
"""
    )
    with running(SERVE, tmp_path, FOUNDRY_PORT=port) as other, running(code, tmp_path, FOUNDRY_PORT=port) as program:
        other.kill()
        other.wait()
        out, err = program.communicate("go on\n", timeout=60)
    assert out == "False True\n", err


def test_a_service_that_is_frozen_is_not_waited_for(tmp_path: Path) -> None:
    """A stopped process accepts connections and answers nothing."""
    port = str(free_port())
    code = "import labkit; print(labkit.connect('course-small').endpoint)"
    with running(SERVE, tmp_path, FOUNDRY_PORT=port) as other:
        os.kill(other.pid, signal.SIGSTOP)
        done = run(code, tmp_path, FOUNDRY_PORT=port)
        os.kill(other.pid, signal.SIGCONT)
    assert done.stdout.startswith("http://127.0.0.1:"), done.stderr
    assert port not in done.stdout


def test_another_program_on_the_port_is_left_alone(tmp_path: Path) -> None:
    """The port of the settings is where a shared service is looked for, not where this process must serve."""
    with site({"/status": (200, "<html>"), "/v1/models": (200, {"data": [{"id": "course-small:1"}]})}) as other:
        port = str(other.server_port)
        done = run("import labkit; print(labkit.connect('course-small').endpoint)", tmp_path, FOUNDRY_PORT=port)
    assert done.stdout.startswith("http://127.0.0.1:"), done.stderr
    assert port not in done.stdout


def test_a_service_that_lacks_the_model_is_not_used(tmp_path: Path) -> None:
    """It stays as it is, and this process serves the model itself."""
    pages = {"/status": (200, {"modelCachePath": "/m"}), "/models/loaded": (200, []), "/v1/models": (200, {"data": []})}
    with site(pages) as other:
        port = str(other.server_port)
        done = run("import labkit; print(labkit.connect('course-small').model)", tmp_path, FOUNDRY_PORT=port)
    assert done.stdout == "course-small:1\n", done.stderr


def _aliases(models: list[ModelInfo]) -> set[str]:
    return {model.alias for model in models}
