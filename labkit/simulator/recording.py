"""Recordings: a real stream with its times, kept in a small JSON file and played again by the simulator.

A recording holds what a server sent and when. It holds no key, no address and no words of the user's.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.errors import SimulatorError, StreamInterrupted
from labkit.simulator.ask import Ask
from labkit.simulator.upstream import Piece
from labkit.streaming import stream

if TYPE_CHECKING:
    from labkit.client import Lab
    from labkit.streaming.request import Messages

_FORMAT = "labkit-recording-1"


@dataclass(frozen=True)
class Recording:
    """A stream that a real server sent.

    Attributes:
        source: who answered, such as `foundry-local`.
        model: which model.
        finish_reason: why the answer ended; None when it never did properly.
        prompt_tokens: tokens of the prompt, as the server counted them.
        pieces: each piece of text, with the milliseconds since the piece before; the first since the request.
    """

    source: str
    model: str
    finish_reason: str | None
    prompt_tokens: int | None
    pieces: tuple[tuple[float, str], ...]

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(text for _, text in self.pieces)

    def save(self, path: str | Path) -> None:
        """Writes the recording as JSON."""
        content = json.dumps({"format": _FORMAT} | asdict(self), ensure_ascii=False, indent=1)
        Path(path).write_text(content + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """Reads a recording.

        Raises:
            SimulatorError: the file cannot be read, or is no recording.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if content.pop("format") != _FORMAT:
                raise ValueError("it has another format")
            pieces = tuple((_wait(wait), str(text)) for wait, text in content.pop("pieces"))
            return cls(pieces=pieces, **content)
        except OSError as error:
            raise SimulatorError(f"The recording {path} cannot be read: {error.strerror}. Correct the path.") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SimulatorError(
                f"{path} is no recording of labkit ({error}). `simulator.record(lab, messages, path)` makes one."
            ) from None


class Replay:
    """Gives a recorded answer, with its own times, to everybody.

    Args:
        recording: the answer.
    """

    context_length: int | None = None

    def __init__(self, recording: Recording) -> None:
        self.model = recording.model
        self._recording = recording

    async def answer(self, ask: Ask) -> AsyncGenerator[Piece]:
        """Gives the pieces; a recording that broke off breaks off again."""
        for wait, text in self._recording.pieces:
            yield Piece(text, wait=wait / 1000)
        if self._recording.finish_reason:
            yield Piece("", self._recording.finish_reason, self._recording.prompt_tokens)

    async def close(self) -> None:
        """Has nothing to let go of."""


def record(lab: Lab, messages: Messages, path: str | Path, **options: Any) -> Recording:
    """Asks a real server, and saves its stream with the times.

    Args:
        lab: whom to ask.
        messages: the conversation, or the user's words alone.
        path: where the JSON file goes.
        options: `max_tokens`, `temperature` and whatever else the server understands.

    Returns:
        What was saved. `simulator.run(replay=path)` plays it. A stream that broke off is saved as far as it came.

    Raises:
        LabkitError: the server does not answer, or refuses the request; see `labkit.streaming.stream`.
    """
    answer = stream(lab, messages, **options)
    with suppress(StreamInterrupted):
        for _ in answer:
            pass
    events = [event for event in answer.events if event.kind == "text"]
    starts = [0.0, *(event.at for event in events)]
    pieces = tuple(
        (round((event.at - before) * 1000, 2), event.text) for before, event in zip(starts, events, strict=False)
    )
    prompt_tokens = answer.usage.prompt_tokens if answer.usage else None
    recording = Recording(lab.source, lab.model, answer.finish_reason, prompt_tokens, pieces)
    recording.save(path)
    return recording


def _wait(milliseconds: Any) -> float:
    wait = float(milliseconds)
    if not 0 <= wait <= 600_000:  # noqa: PLR2004  # ten minutes, as for a profile
        raise ValueError(f"a wait of {wait} ms")
    return wait
