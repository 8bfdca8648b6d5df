"""The learner's progress in one small JSON file.

The file maps notebook to exercise to its best state and the number of tries. This module knows nothing of exercises.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from labkit.errors import HomeNotWritable
from labkit.exercises.verdict import State
from labkit.file_lock import locked
from labkit.settings import Settings


@dataclass
class Entry:
    """The progress in one exercise.

    Attributes:
        state: the best state so far: `not attempted`, `wrong` or `right`.
        tries: how often an answer was checked; an untouched one does not count.
    """

    state: State = "not attempted"
    tries: int = 0


Record = dict[str, dict[str, Entry]]
_RECORD = TypeAdapter(Record)


@dataclass(frozen=True)
class ProgressFile:
    """The file that keeps a learner's progress.

    Attributes:
        path: where it lies.
    """

    path: Path

    @classmethod
    def of_learner(cls) -> ProgressFile:
        """Gives the file under LABKIT_HOME."""
        return cls(Settings.load().home / "progress.json")

    def read(self) -> Record:
        """Gives what is recorded; nothing when there is no file or it is damaged."""
        try:
            return _RECORD.validate_json(self.path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return {}

    def record(self, notebook: str, exercise: str, state: State) -> str:
        """Adds the outcome of a check. A right answer stays recorded when a later one is wrong.

        Args:
            notebook: such as `client_setup`.
            exercise: such as `q1`.
            state: `not attempted`, `wrong` or `right`.

        Returns:
            What the learner should know, in words; empty when there is nothing to say.

        Raises:
            HomeNotWritable: the file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.path):
                note = self._set_aside_if_damaged()
                record = self.read()
                _add(record.setdefault(notebook, {}), exercise, state)
                self._replace(_RECORD.dump_json(record, indent=1))
        except OSError as error:
            raise HomeNotWritable(self.path.parent, error) from error
        return note

    def _replace(self, content: bytes) -> None:
        part = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            part.write_bytes(content)
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)

    def _set_aside_if_damaged(self) -> str:
        if not self.path.exists():
            return ""
        try:
            _RECORD.validate_json(self.path.read_bytes())
        except ValidationError:
            aside = self.path.with_name(f"progress.damaged-{time.time_ns()}.json")
            self.path.replace(aside)
            return f"The file with your progress was damaged. It now lies in {aside}, and a new one was begun."
        return ""


def _add(entries: dict[str, Entry], exercise: str, state: State) -> None:
    entry = entries.setdefault(exercise, Entry())
    if state == "not attempted":
        return
    entry.tries += 1
    if entry.state != "right":
        entry.state = state
