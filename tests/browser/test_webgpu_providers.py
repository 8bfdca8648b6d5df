"""Which provider runs, why, and that all of them compute the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime
import pytest
from playwright.sync_api import Browser
from visitor import Visitor

from labkit import webgpu
from labkit.launch import Program
from labkit.webgpu.decoder import Decoder
from labkit.webgpu.foundry import answer

QUESTION = "Why do chat apps stream tokens?"
_TOKENS = 20


def test_without_an_adapter_webassembly_runs(visitor: Visitor) -> None:
    """That the browser knows WebGPU is not enough, and the page says what is missing."""
    visitor.see("provider", "WebAssembly (WASM), on the processor: WebGPU finds no graphics adapter here.")
    visitor.press("Compare WebGPU with WebAssembly")
    visitor.see("digits-status", "no graphics adapter to compare with")


def test_webgpu_that_cannot_be_had_is_told(browser: Browser, demo: Program) -> None:
    """Whoever forces WebGPU on a machine without an adapter gets WebAssembly, and the reason."""
    with Visitor.at(browser, f"{demo.url}/?provider=webgpu") as visitor:
        visitor.see("provider", "WebGPU was asked for, but WebGPU finds no graphics adapter here.")
        visitor.wait().take_sample(6)
        assert visitor.recognised == "6"


def test_an_imitated_adapter_is_not_chosen_by_itself(graphics: Browser, demo: Program) -> None:
    """The processor is faster when it does not play graphics card."""
    with Visitor.at(graphics, demo.url) as visitor:
        visitor.see("provider", "imitated by the processor")
        visitor.page.locator("summary").click()
        visitor.see("capabilities", "swiftshader")
        assert visitor.run("() => document.documentElement.dataset.provider") == "wasm"


@pytest.mark.parametrize("provider", ["wasm", "webgpu"])
def test_the_address_forces_a_provider(graphics: Browser, demo: Program, provider: str) -> None:
    """And it really computes there."""
    with Visitor.at(graphics, f"{demo.url}/?provider={provider}") as visitor:
        visitor.see("provider", "the address of this page asks for it")
        assert visitor.run("() => document.documentElement.dataset.provider") == provider
        visitor.wait().take_sample(9)
        assert visitor.recognised == "9"
        binaries = [url for url in visitor.requests if url.endswith(".wasm")]
        assert [("asyncify" in url) for url in binaries] == [provider == "webgpu"]


def test_the_page_compares_both_on_the_same_input(graphics: Browser, demo: Program) -> None:
    """It names the times of both, and the largest difference."""
    with Visitor.at(graphics, f"{demo.url}/?provider=webgpu") as visitor:
        visitor.wait().take_sample(4)
        visitor.press("Compare WebGPU with WebAssembly")
        said = visitor.see("digits-status", "Largest difference")
        assert float(said.rsplit(": ", 1)[1].rstrip(".")) < 1e-3


def test_a_lost_device_is_replaced_by_webassembly(graphics: Browser, demo: Program) -> None:
    """The page says so, and drawing and chatting go on."""
    with Visitor.at(graphics, f"{demo.url}/?provider=webgpu") as visitor:
        visitor.wait().take_sample(9)
        _lose_device(visitor)
        visitor.see("provider", "The graphics device was lost. WebAssembly goes on in its place.")
        visitor.take_sample(3)
        assert visitor.recognised == "3"
        assert visitor.answer(QUESTION)
        visitor.press("Measure")
        visitor.see("digits-status", "WebAssembly:")


def test_an_answer_survives_a_lost_device(graphics: Browser, demo: Program) -> None:
    """The question that was being answered is answered by WebAssembly, from its beginning."""
    with Visitor.at(graphics, f"{demo.url}/?provider=webgpu") as visitor:
        visitor.wait().ask(QUESTION)
        visitor.see("chat-status", "WebGPU is writing")
        _lose_device(visitor)
        visitor.see("chat-status", "WebAssembly: complete")
        assert visitor.page.locator(".answer").inner_text() == answer(QUESTION, 200)["text"]


def _lose_device(visitor: Visitor) -> None:
    (worker,) = [each for each in visitor.page.workers if each.url.endswith("worker.js")]
    # The same module instance as the worker's own, so this is its device.
    worker.evaluate(
        """async () => {
            const url = new URL("node_modules/onnxruntime-web/dist/ort.webgpu.bundle.min.mjs", location.href);
            (await (await import(url.href)).env.webgpu.device).destroy();
        }"""
    )


@pytest.fixture(scope="module")
def figures(demo: Program) -> webgpu.Figures:
    """Gives what the page measures about itself, on both providers, in a browser without a window."""
    return webgpu.measure(demo.url, QUESTION)


def test_all_runtimes_agree_on_digits(figures: webgpu.Figures) -> None:
    """WebAssembly, WebGPU and onnxruntime in Python give the same probabilities, within 1e-3."""
    session = onnxruntime.InferenceSession(str(webgpu.classifier_path()))
    expected = [
        session.run(["probabilities"], {"image": np.array(each.pixels, np.float32).reshape(1, 1, 28, 28)})[0][0]
        for each in webgpu.samples()
    ]
    assert set(figures.probabilities) == {"wasm", "webgpu"}
    for provider, found in figures.probabilities.items():
        assert np.abs(np.array(found) - np.array(expected)).max() < 1e-3, provider


def test_all_runtimes_agree_on_the_first_tokens(figures: webgpu.Figures) -> None:
    """Token for token: WebAssembly, WebGPU and onnxruntime in Python; and the text is Foundry Local's."""
    found = {name: each["chat"] for name, each in figures.raw["providers"].items()}
    expected = _greedy(found["wasm"]["prompt_ids"])
    assert len(expected) == _TOKENS
    assert {name: chat["prompt_ids"] for name, chat in found.items()} == dict.fromkeys(
        found, Decoder().prompt(QUESTION)
    )
    assert {name: chat["ids"] for name, chat in found.items()} == {"wasm": expected, "webgpu": expected}
    assert {chat["text"] for chat in found.values()} == {answer(QUESTION, _TOKENS)["text"]}


def _greedy(prompt: Sequence[int]) -> list[int]:
    """Gives the most likely tokens, without a cache: slow, and too simple to be wrong in the same way."""
    decoder, tokens = Decoder(), list(prompt)
    for _ in range(_TOKENS):
        tokens.append(int(decoder.step(tokens)[0].argmax()))
    return tokens[len(prompt) :]
