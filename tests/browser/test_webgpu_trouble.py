"""Downloads that break off, files that are damaged, servers that are wrong or gone: the page says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty_demo import copy_without_libraries, faulty_demo
from playwright.sync_api import Browser, Route
from visitor import Visitor

from labkit import launch
from labkit.ports import free_port
from labkit.webgpu import folder

QUESTION = "Why do chat apps stream tokens?"
CDN = "https://cdn.jsdelivr.net/npm/"


def test_pythons_own_server_is_enough(browser: Browser) -> None:
    """`python -m http.server` in the folder works; the page says what it costs."""
    with faulty_demo() as server, Visitor.at(browser, server.url) as visitor:
        visitor.wait().take_sample(7)
        visitor.page.locator("summary").click()
        visitor.see("capabilities", "no: WebAssembly gets one thread only. `labkit webgpu` sends the headers for it")
        assert visitor.answer(QUESTION)
        visitor.press("Compare with Foundry Local")
        visitor.see("chat-status", "Open the page with `labkit webgpu`, which can.")


def test_an_interrupted_download_can_be_repeated(browser: Browser) -> None:
    """Nothing of the half is kept, and the same question works afterwards."""
    with faulty_demo() as server, Visitor.at(browser, server.url) as visitor:
        server.faults["model.onnx.data"] = "cut"
        visitor.wait().ask(QUESTION)
        visitor.see("chat-status", "broke off after")
        del server.faults["model.onnx.data"]
        assert visitor.answer(QUESTION)


def test_an_interrupted_download_of_the_digits_can_be_repeated(browser: Browser) -> None:
    """The page offers to try again, and then works."""
    with faulty_demo() as server:
        server.faults["digits/model.onnx"] = "cut"
        with Visitor.at(browser, server.url) as visitor:
            visitor.see("problem", "Press “Try again”")
            del server.faults["digits/model.onnx"]
            visitor.press("Try again")
            visitor.wait().take_sample(1)


@pytest.mark.parametrize("file", ["digits/model.onnx", "dist/ort-wasm-simd-threaded.wasm"])
def test_a_damaged_file_is_not_used(browser: Browser, file: str) -> None:
    """One wrong bit is noticed before anything is computed with it."""
    with faulty_demo() as server:
        server.faults[file] = "corrupt"
        with Visitor.at(browser, server.url) as visitor:
            visitor.see("problem", "is damaged")
            visitor.see("problem", "Nothing of it was used")


def test_damage_in_the_browsers_cache_is_mended(browser: Browser) -> None:
    """What was kept is verified again; what is wrong is loaded anew."""
    with faulty_demo() as server, Visitor.at(browser, server.url) as visitor:
        visitor.wait()
        spoilt = visitor.run(
            """async () => {
                const cache = await caches.open("labkit-models");
                const key = (await cache.keys()).find((request) => request.url.includes("digits/model.onnx"));
                await cache.put(key, new Response(new Uint8Array(8)));
                return key.url;
            }"""
        )
        assert "model.onnx" in spoilt
        server.served.clear()
        visitor.page.reload()
        visitor.wait().take_sample(2)
        assert "/models/digits/model.onnx" in server.served


def test_a_wrong_type_is_named(browser: Browser) -> None:
    """Windows may call .mjs text/plain, and browsers then refuse it without a word to the user."""
    with faulty_demo() as server:
        server.faults["ort.wasm.bundle.min.mjs"] = "text"
        with Visitor.at(browser, server.url) as visitor:
            visitor.see("problem", "as “text/plain”")
            visitor.see("problem", "labkit webgpu")


def test_scripts_of_a_wrong_type_leave_words_on_the_page(browser: Browser) -> None:
    """When not even main.js runs, the page itself says what to do."""
    with faulty_demo() as server:
        server.faults["main.js"] = "text"
        with Visitor.at(browser, server.url) as visitor:
            visitor.see("provider", "If this line does not change, the browser refuses the page's scripts")


def test_missing_models_are_explained(browser: Browser) -> None:
    """On Windows the link to the models may be missing; the page gives the command that makes it."""
    with faulty_demo() as server:
        server.faults["samples.json"] = "missing"
        with Visitor.at(browser, server.url) as visitor:
            visitor.see("problem", r"mklink /J models ..\labkit\models")


def test_the_page_works_when_its_server_is_gone(browser: Browser) -> None:
    """After one visit, a reload needs nobody: neither for digits nor for chat."""
    port = free_port()
    program = launch.webgpu(port=port, show=False)
    with program, Visitor.at(browser, program.url) as visitor:
        visitor.wait()
        answer = visitor.answer(QUESTION)
        visitor.see("storage", "works without its server")
        program.stop()
        visitor.page.reload()
        visitor.wait().take_sample(8)
        assert visitor.recognised == "8"
        assert visitor.answer(QUESTION) == answer
        assert visitor.run("() => crossOriginIsolated"), "the kept page keeps its headers, and so its threads"


def test_models_are_loaded_once_and_forgotten_on_demand(browser: Browser) -> None:
    """A second visit asks the server for no model; after “Clear kept models” the third one does."""
    with faulty_demo() as server, Visitor.at(browser, server.url) as visitor:
        visitor.wait().answer(QUESTION)
        for asks_again in (False, True):
            server.served.clear()
            visitor.page.reload()
            visitor.wait().answer(QUESTION)
            loaded = [path for path in server.served if path.endswith((".onnx", ".data", ".wasm"))]
            assert bool(loaded) == asks_again
            visitor.press("Clear kept models")
            visitor.see("storage", "no longer kept")


def test_bytes_are_counted_while_they_arrive(browser: Browser) -> None:
    """The progress bar knows how much there is."""
    with faulty_demo() as server, Visitor.at(browser, server.url) as visitor:
        visitor.wait()
        news = visitor.run(
            """async () => {
                const { Engine } = await import("./engine.js");
                const engine = new Engine("wasm", 1, () => {}, () => {});
                const news = [];
                await engine.load("chat", (one) => news.push(one));
                engine.worker.terminate();
                return news;
            }"""
        )
        weights = [each for each in news if each["file"] == "model.onnx.data"]
        size = (folder.MODELS / "course-small" / "model.onnx.data").stat().st_size
        assert (weights[-1]["bytes"], weights[-1]["total"]) == (size, size)
        assert not weights[0]["cached"]


def test_libraries_come_from_the_public_network_when_they_are_not_installed(browser: Browser, tmp_path: Path) -> None:
    """At the pinned version and verified; then they are kept. (The public network is played by the installed files.)"""
    page = copy_without_libraries(tmp_path / "page")
    with faulty_demo(page) as server, Visitor.at(browser, "about:blank") as visitor:
        visitor.context.route(f"{CDN}**", _public_network)
        visitor.page.goto(server.url)
        visitor.wait().take_sample(5)
        assert visitor.recognised == "5"
        assert any(url.startswith(f"{CDN}onnxruntime-web@1.30.0/dist/") for url in visitor.requests)


def test_a_changed_library_from_the_public_network_is_refused(browser: Browser, tmp_path: Path) -> None:
    """Whoever changes a file there changes nothing here."""
    page = copy_without_libraries(tmp_path / "page")
    with faulty_demo(page) as server, Visitor.at(browser, "about:blank") as visitor:
        visitor.context.route(f"{CDN}**", _changed_public_network)
        visitor.page.goto(server.url)
        visitor.see("problem", "onnxruntime-web/dist/ort")
        assert visitor.page.locator("html[data-ready]").count() == 0


def _public_network(route: Route) -> None:
    _fulfil(route, b"")


def _changed_public_network(route: Route) -> None:
    _fulfil(route, b"\n// changed")


def _fulfil(route: Route, more: bytes) -> None:
    name, _, rest = route.request.url.removeprefix(CDN).rpartition("@")
    file = folder.find() / "node_modules" / name / rest.partition("/")[2]
    kind = "application/wasm" if file.suffix == ".wasm" else "text/javascript"
    headers = {"access-control-allow-origin": "*", "content-type": kind}
    route.fulfill(status=200, body=file.read_bytes() + more, headers=headers)
