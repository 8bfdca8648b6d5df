"""The exercises of notebook 06, WebGPU.

Every check runs the learner's code with the page's own models, in onnxruntime.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from labkit.exercises.exercise import exercise, learners_code
from labkit.exercises.verdict import Right, Verdict, Wrong

if TYPE_CHECKING:
    from labkit.webgpu import Sample
    from labkit.webgpu.decoder import Decoder

_CLOSE = 1e-4
_DIGITS = 10
_SHOWN = 160  # characters of a learner's value
_QUESTIONS = ("What is a token?", "Why do chat apps stream tokens?")
_LIMIT = 12  # tokens
PAGE = "http://127.0.0.1:5173/?provider=wasm"


@exercise(
    hints=(
        'A browser can have WebGPU and no adapter. Then `can["adapter"]` is None.',
        "An adapter that the processor imitates is slower than WebAssembly.",
        'WebGPU needs both: `can["adapter"] and not can["isSoftware"]`. Everything else is "wasm".',
    ),
    solution='''
def choose_provider(can):
    """Gives the provider that suits a browser: "webgpu" or "wasm"."""
    if can["hasApi"] and can["adapter"] and not can["isSoftware"]:
        return "webgpu"
    return "wasm"
''',
)
def q1(choose_provider: Callable[[Mapping[str, Any]], object]) -> Verdict:
    """Write a function that chooses between WebGPU and WebAssembly."""
    for can, expected, what in browsers():
        with learners_code():
            came = choose_provider(dict(can))
        if came != expected:
            return Wrong(f"{expected!r} for {what}", _show(came))
    return Right("You ask for the adapter and not for the name of the interface, as the page does it.")


@exercise(
    hints=(
        "Take e to the power of each logit: `math.exp(logit)`. Then divide each by the sum of all.",
        "`math.exp(1000)` is too large for a computer. Subtract one number from all logits first: nothing changes.",
        "`highest = max(logits)`, and then `math.exp(logit - highest)`.",
    ),
    solution='''
import math


def softmax(logits):
    """Turns logits into probabilities."""
    highest = max(logits)
    powers = [math.exp(logit - highest) for logit in logits]
    return [power / sum(powers) for power in powers]
''',
)
def q2(softmax: Callable[[list[float]], object]) -> Verdict:
    """Write a function that turns logits into probabilities."""
    for sample in _samples():
        logits, probabilities = _classify(sample.pixels)
        for given, what in ((logits, "the logits"), ([logit + 2000 for logit in logits], "the logits plus 2,000")):
            with learners_code():
                came = softmax(list(given))
            if not _is_close(came, probabilities):
                expected = f"{_rounded(probabilities)} from {what} of the sample {sample.digit}"
                return Wrong(expected, _show(came))
    return Right("Your probabilities are the ones that the model computes itself, even for huge logits.")


@exercise(
    hints=(
        "onnxruntime wants an array of four dimensions: `np.array(pixels, np.float32).reshape(1, 1, 28, 28)`.",
        '`session.run(["probabilities"], {"image": image})` gives a list with one array of the shape [1, 10].',
        "The digit is the place of the largest probability: `probabilities.argmax()`.",
    ),
    solution='''
import numpy as np


def recognise(session, pixels):
    """Gives the most likely digit and its probability."""
    image = np.array(pixels, np.float32).reshape(1, 1, 28, 28)
    (probabilities,) = session.run(["probabilities"], {"image": image})
    digit = int(probabilities[0].argmax())
    return digit, float(probabilities[0][digit])
''',
)
def q3(recognise: Callable[[Any, Sequence[float]], object]) -> Verdict:
    """Write a function that recognises a digit with onnxruntime."""
    for sample in reversed(_samples()):
        for strength in (1.0, 0.6):
            pixels = tuple(strength * value for value in sample.pixels)
            probabilities = _classify(pixels)[1]
            best = max(range(_DIGITS), key=probabilities.__getitem__)
            with learners_code():
                came = recognise(_session(), pixels)
            if not _is_pair(came, best, probabilities[best]):
                return Wrong(f"({best}, {probabilities[best]:.4f}) for a handwritten {sample.digit}", _show(came))
    return Right("The model in Python sees what the page sees: the same file, the same pixels, the same digit.")


@exercise(
    hints=(
        "`logits, past = decoder.step(prompt)` reads the prompt. The next token is `int(logits.argmax())`.",
        "Then read one token at a time, and pass on what the model remembers: `decoder.step([token], past)`.",
        "Stop when the token is in `decoder.ends` (it is no part of the answer), or when there are `limit` tokens.",
    ),
    solution='''
def greedy(decoder, prompt, limit):
    """Gives the tokens of an answer: always the most likely one."""
    answer = []
    logits, past = decoder.step(prompt)
    while len(answer) < limit:
        token = int(logits.argmax())
        if token in decoder.ends:
            break
        answer.append(token)
        logits, past = decoder.step([token], past)
    return answer
''',
)
def q4(greedy: Callable[[Any, list[int], int], object]) -> Verdict:
    """Write the loop that turns a model into an answer."""
    for question in _QUESTIONS:
        for limit in (1, _LIMIT, 200):
            prompt = _decoder().prompt(question)
            expected, watched = _answer(tuple(prompt), limit), _Watched(_decoder())
            with learners_code():
                came = greedy(watched, list(prompt), limit)
            if came != expected:
                return Wrong(f"{_show(expected)} for {question!r} and a limit of {limit}", _show(came))
            if watched.most_after_first > 1:
                words = f"a step that read {watched.most_after_first} tokens again"
                return Wrong("one new token a step: the cache (`past`) remembers the others", words)
    return Right("This loop is in every chat, in Foundry Local and in the page. Each step reads one token only.")


@exercise(
    hints=(
        "Two addresses have the same origin when scheme, host and port are equal.",
        "`urllib.parse.urlsplit(url)` takes an address apart: `.scheme` and `.netloc` (host and port).",
        "Do not compare beginnings of texts: `http://127.0.0.1:5173.example.org` begins like the page.",
    ),
    solution='''
from urllib.parse import urlsplit


def elsewhere(urls, page):
    """Gives the addresses that do not belong to the page's own origin."""

    def origin(url):
        return urlsplit(url)[:2]

    return [url for url in urls if origin(url) != origin(page)]
''',
)
def q5(elsewhere: Callable[[list[str], str], object]) -> Verdict:
    """Write a function that finds the requests that went elsewhere."""
    own = [
        "http://127.0.0.1:5173/",
        "http://127.0.0.1:5173/models/digits/model.onnx",
        "http://127.0.0.1:5173/main.js?x=1",
    ]
    others = [
        "https://cdn.example.org/ort.mjs",
        "http://127.0.0.1:5173.example.org/collect",
        "http://127.0.0.1:51211/v1/models",
        "https://127.0.0.1:5173/main.js",
        "http://example.org/?from=http://127.0.0.1:5173/",
    ]
    for given, expected in ((own, []), ([*own, *others], others), (list(reversed(own + others)), others[::-1])):
        with learners_code():
            came = elsewhere(list(given), PAGE)
        if came != expected:
            return Wrong(f"{expected} from {given}", _show(came))
    return Right("Privacy you can count: an address belongs to the page when scheme, host and port are the same.")


def browsers() -> list[tuple[dict[str, Any], str, str]]:
    """Lists browsers: what each can do, the right provider, and the browser in words."""
    usual = {"hasApi": True, "adapter": "nvidia ampere", "isSoftware": False, "hasHalf": True}
    return [
        (usual, "webgpu", "a browser with a graphics adapter"),
        ({**usual, "hasHalf": False}, "webgpu", "an adapter without 16-bit shaders, which these models do not need"),
        ({**usual, "hasApi": False, "adapter": None}, "wasm", "a browser without WebGPU"),
        ({**usual, "adapter": None}, "wasm", "a browser that has WebGPU and finds no adapter"),
        (
            {**usual, "adapter": "google swiftshader", "isSoftware": True},
            "wasm",
            "an adapter that the processor imitates",
        ),
    ]


class _Watched:
    """The decoder, with a note of how many tokens each step reads."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.ends = decoder.ends
        self.text = decoder.text
        self._read: list[int] = []

    def step(self, tokens: Sequence[int], past: Any = None) -> Any:
        """Reads tokens; see `Decoder.step`."""
        self._read.append(len(tokens))
        return self._decoder.step(tokens, past)

    @property
    def most_after_first(self) -> int:
        """How many tokens a step after the first one has read at most."""
        return max(self._read[1:], default=0)


@cache
def _answer(prompt: tuple[int, ...], limit: int) -> list[int]:
    """Gives the greedy answer without a cache: slow, and too simple to be wrong."""
    tokens = list(prompt)
    while len(tokens) < len(prompt) + limit:
        token = int(_decoder().step(tokens)[0].argmax())
        if token in _decoder().ends:
            break
        tokens.append(token)
    return tokens[len(prompt) :]


@cache
def _decoder() -> Decoder:
    from labkit.webgpu.decoder import Decoder

    return Decoder()


@cache
def _session() -> Any:
    import onnxruntime

    from labkit.webgpu import classifier_path

    return onnxruntime.InferenceSession(str(classifier_path()))


def _samples() -> list[Sample]:
    from labkit import webgpu

    return webgpu.samples()


def _classify(pixels: Sequence[float]) -> tuple[list[float], list[float]]:
    """Gives logits and probabilities."""
    import numpy as np

    image = np.array(pixels, np.float32).reshape(1, 1, 28, 28)
    logits, probabilities = _session().run(["logits", "probabilities"], {"image": image})
    return logits[0].tolist(), probabilities[0].tolist()


def _is_close(came: object, expected: Sequence[float]) -> bool:
    values = _numbers(came)
    return values is not None and len(values) == len(expected) and all(map(_is_near, values, expected))


def _numbers(came: object) -> list[float] | None:
    try:
        return [float(value) for value in came]  # type: ignore[attr-defined]  # a list, a tuple or an array
    except (TypeError, ValueError):
        return None


def _is_near(a: float, b: float) -> bool:
    return math.isclose(a, b, abs_tol=_CLOSE)


def _is_pair(came: object, digit: int, probability: float) -> bool:
    values = _numbers(came)
    return (
        values is not None and len(values) == len(("digit", "probability")) and _is_close(values, [digit, probability])
    )


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 4) for value in values]


def _show(value: object) -> str:
    """Shows a learner's value, cut where it becomes long to read."""
    if value is None:
        return "None (does your function end with `return ...`?)"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
