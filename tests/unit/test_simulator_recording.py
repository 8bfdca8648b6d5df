"""A real stream can be recorded with its times, and played again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labkit import simulator
from labkit.client import Lab
from labkit.errors import SimulatorError, StreamInterrupted
from labkit.simulator import Recording, VirtualClock
from labkit.streaming import stream


def test_a_recorded_stream_plays_with_its_text_and_its_times(large: Lab, tmp_path: Path) -> None:
    """The played tokens are due exactly when the recorded ones came."""
    path = tmp_path / "answer.json"
    recording = simulator.record(large, "What is a token?", path, max_tokens=12)
    with VirtualClock() as clock, simulator.run(replay=path, clock=clock) as cloud:
        answer = stream(cloud.lab, "anything", clock=clock.now)
        pieces = list(answer)
        (request,) = cloud.requests
    assert "".join(pieces) == recording.text
    assert (answer.finish_reason, cloud.lab.model) == (recording.finish_reason, large.model)
    waits = [wait / 1000 for wait, _ in recording.pieces]
    due = [request.arrived + sum(waits[: n + 1]) for n in range(len(waits))]
    assert list(request.planned) == pytest.approx(due)


def test_a_recording_is_small_readable_and_says_nothing_private(large: Lab, tmp_path: Path) -> None:
    """It holds the answer and its times, not the question, the key or the address."""
    path = tmp_path / "answer.json"
    simulator.record(large, "My secret is 4711", path, max_tokens=5)
    content = path.read_text(encoding="utf-8")
    assert json.loads(content)["source"] == "foundry-local"
    assert "4711" not in content
    assert large.endpoint not in content
    assert len(content) < 2_000
    assert Recording.load(path).pieces


def test_a_stream_that_broke_off_is_recorded_as_far_as_it_came(tmp_path: Path) -> None:
    """And breaks off again when it is played."""
    path = tmp_path / "broken.json"
    with simulator.run("instant", text="one two three four five six seven eight nine", faults="cut") as cloud:
        recording = simulator.record(cloud.lab, "hi", path)
    assert recording.finish_reason is None
    with simulator.run(replay=path) as cloud, pytest.raises(StreamInterrupted) as raised:
        list(stream(cloud.lab, "hi"))
    assert (raised.value.reason, raised.value.text) == ("truncated", recording.text)


def test_a_recording_can_have_faults_on_top(tmp_path: Path) -> None:
    """The plan of faults works on whatever is said."""
    path = tmp_path / "answer.json"
    Recording("azure", "some-model", "stop", 3, tuple((1.0, f"word{n} ") for n in range(12))).save(path)
    with simulator.run(replay=path, faults="cut") as cloud, pytest.raises(StreamInterrupted):
        list(stream(cloud.lab, "hi"))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        '{"format": "another", "pieces": []}',
        '{"format": "labkit-recording-1", "pieces": [[-1, "x"]], "source": "", "model": "", "finish_reason": null}',
        '{"format": "labkit-recording-1", "pieces": "x"}',
        '{"format": "labkit-recording-1", "pieces": [], "surprise": 1}',
    ],
)
def test_a_file_that_is_no_recording_is_refused(content: str, tmp_path: Path) -> None:
    """The error says how to make one."""
    path = tmp_path / "wrong.json"
    path.write_text(content)
    with pytest.raises(SimulatorError, match=r"wrong\.json.*simulator\.record"):
        simulator.run(replay=path)


def test_a_missing_file_is_reported_by_name(tmp_path: Path) -> None:
    """No traceback from the depths."""
    with pytest.raises(SimulatorError, match=r"nowhere\.json cannot be read"):
        simulator.run(replay=tmp_path / "nowhere.json")
