"""Conversations and feedback on disk: SQLite, through Chainlit's own data layer.

It knows nothing of what the conversations are about.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from chainlit.data.sql_alchemy import SQLAlchemyDataLayer

from labkit.errors import HomeNotWritable

if TYPE_CHECKING:
    from chainlit.step import StepDict

STOPPED = "Task manually stopped."  # what Chainlit adds to a conversation when somebody presses Stop
_BUSY = 30.0  # seconds that a write waits for another one
# The columns are those that the data layer writes and reads.
_SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS users ("id" TEXT PRIMARY KEY, "identifier" TEXT NOT NULL UNIQUE, "createdAt" TEXT,
    "metadata" TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS threads ("id" TEXT PRIMARY KEY, "createdAt" TEXT, "name" TEXT, "userId" TEXT,
    "userIdentifier" TEXT, "tags" TEXT, "metadata" TEXT);
CREATE TABLE IF NOT EXISTS steps ("id" TEXT PRIMARY KEY, "name" TEXT, "type" TEXT, "threadId" TEXT, "parentId" TEXT,
    "streaming" INTEGER, "waitForAnswer" INTEGER, "isError" INTEGER, "metadata" TEXT, "tags" TEXT, "input" TEXT,
    "output" TEXT, "createdAt" TEXT, "command" TEXT, "modes" TEXT, "start" TEXT, "end" TEXT, "generation" TEXT,
    "showInput" TEXT, "language" TEXT, "indent" INTEGER, "defaultOpen" INTEGER, "autoCollapse" INTEGER, "icon" TEXT);
CREATE TABLE IF NOT EXISTS elements ("id" TEXT PRIMARY KEY, "threadId" TEXT, "type" TEXT, "url" TEXT,
    "chainlitKey" TEXT, "name" TEXT, "display" TEXT, "objectKey" TEXT, "size" TEXT, "page" INTEGER, "language" TEXT,
    "forId" TEXT, "mime" TEXT, "props" TEXT, "autoPlay" INTEGER, "playerConfig" TEXT);
CREATE TABLE IF NOT EXISTS feedbacks ("id" TEXT PRIMARY KEY, "forId" TEXT NOT NULL, "threadId" TEXT,
    "value" INTEGER NOT NULL, "comment" TEXT);
CREATE INDEX IF NOT EXISTS steps_of_a_thread ON steps ("threadId");
CREATE INDEX IF NOT EXISTS threads_of_a_user ON threads ("userId");
CREATE INDEX IF NOT EXISTS feedback_of_a_step ON feedbacks ("forId");
"""


class History(SQLAlchemyDataLayer):
    """Chainlit's data layer on a SQLite file.

    Args:
        file: the database; it is made where there is none.

    Raises:
        HomeNotWritable: it cannot be written.
    """

    def __init__(self, file: Path) -> None:
        _prepare(file)
        super().__init__(f"sqlite+aiosqlite:///{file}", connect_args={"timeout": _BUSY})

    async def create_step(self, step_dict: StepDict) -> None:
        """Keeps a message or a step, except for the one that Chainlit adds when somebody presses Stop."""
        if step_dict.get("output") != STOPPED:
            await super().create_step(step_dict)


def _prepare(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file)) as database:
            database.executescript(_SCHEMA)
    except (OSError, sqlite3.Error) as error:
        cause = error if isinstance(error, OSError) else OSError(f"{file.name}: {error}")
        raise HomeNotWritable(file.parent, cause) from error
