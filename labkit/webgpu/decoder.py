"""`course-small` through onnxruntime, one step at a time, as the page runs it.

It knows nothing of how tokens are chosen: that is what learners write.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from labkit.webgpu.folder import MODELS
from labkit.webgpu.foundry import MODEL

Cache = Mapping[str, Any]
"""What the model remembers of the tokens that it has seen: keys and values, by the name of the input."""


class Decoder:
    """The model, without any loop around it."""

    def __init__(self) -> None:
        import onnxruntime

        folder = MODELS / MODEL
        config = json.loads((folder / "genai_config.json").read_text("utf-8"))["model"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the model is too small to share
        self._net = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
        self._decoder = config["decoder"]
        ends = config["eos_token_id"]
        self.ends: frozenset[int] = frozenset(ends if isinstance(ends, list) else [ends])
        self._tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))

    def step(self, tokens: Sequence[int], past: Cache | None = None) -> tuple[Any, Cache]:
        """Reads tokens.

        Args:
            tokens: those that the model has not seen yet; all of the prompt at first, then one at a time.
            past: what the last step gave; None at the beginning.

        Returns:
            One number for each token of the vocabulary (the logits of the next token), and what to pass on as `past`.
        """
        past = self._nothing() if past is None else past
        seen = next(iter(past.values())).shape[2]
        found = dict(zip(self._outputs, self._net.run(self._outputs, self._feeds(tokens, seen, past)), strict=True))
        return found["logits"][0, -1], {name: found[output] for output, name in self._renamed.items()}

    def prompt(self, question: str) -> list[int]:
        """Gives the tokens of a question in the model's chat template.

        The longest pieces are taken first, which may cut a rare word otherwise than the model's own tokenizer.

        Args:
            question: in English.
        """
        specials = {each["content"]: each["id"] for each in self._tokenizer["added_tokens"]}
        start, end, reply = (specials[t] for t in ("<|im_start|>user\n", "<|im_end|>", "<|im_start|>assistant\n"))
        return [start, *self._pieces(f" {question.strip().lower()}"), end, reply]  # as chat_template.jinja writes it

    def text(self, tokens: Sequence[int]) -> str:
        """Gives the text of tokens.

        Args:
            tokens: those of an answer.
        """
        pieces = "".join(self._names[token] for token in tokens)
        return bytes(map(_BYTES.__getitem__, pieces)).decode("utf-8", errors="replace")

    def _pieces(self, text: str) -> list[int]:
        vocabulary = self._tokenizer["model"]["vocab"]
        rest, found = "".join(map(_SIGNS.__getitem__, text.encode())), []
        while rest:
            length = next(size for size in range(len(rest), 0, -1) if rest[:size] in vocabulary)
            found.append(vocabulary[rest[:length]])
            rest = rest[length:]
        return found

    @cached_property
    def _names(self) -> dict[int, str]:
        return {number: name for name, number in self._tokenizer["model"]["vocab"].items()}

    @cached_property
    def _renamed(self) -> dict[str, str]:
        """By the name of an output of the cache, the input that it becomes."""
        outputs, inputs = self._decoder["outputs"], self._decoder["inputs"]
        kinds = [(outputs[f"present_{kind}_names"], inputs[f"past_{kind}_names"]) for kind in ("key", "value")]
        layers = range(self._decoder["num_hidden_layers"])
        return {output % layer: name % layer for layer in layers for output, name in kinds}

    @cached_property
    def _outputs(self) -> list[str]:
        return ["logits", *self._renamed]

    def _nothing(self) -> dict[str, Any]:
        import numpy as np

        shape = (1, self._decoder["num_key_value_heads"], 0, self._decoder["head_size"])
        return {name: np.zeros(shape, np.float32) for name in self._renamed.values()}

    def _feeds(self, tokens: Sequence[int], seen: int, past: Cache) -> dict[str, Any]:
        import numpy as np

        total = seen + len(tokens)
        known = {
            "input_ids": np.array([tokens], np.int64),
            "attention_mask": np.ones((1, total), np.int64),
            "position_ids": np.arange(seen, total, dtype=np.int64)[None],
            **past,
        }
        return {each.name: known[each.name] for each in self._net.get_inputs()}


def _byte_signs() -> dict[int, str]:
    """Gives the printable sign of each byte in byte-level vocabularies."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(0x100 + at) for at, byte in enumerate(others)}


_SIGNS = _byte_signs()
_BYTES = {sign: byte for byte, sign in _SIGNS.items()}
