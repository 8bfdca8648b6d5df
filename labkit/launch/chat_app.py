"""`labkit.launch.chat()`: the chat application, on a free port, ready to use.

It knows nothing of chat.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from labkit.errors import HomeNotWritable
from labkit.launch.port import choose_port
from labkit.launch.program import Plan, Program
from labkit.progress import in_notebook
from labkit.settings import Settings

PORT = 8080  # where the course says that the chat application is
_PATIENCE = 120.0  # seconds: a cold disk on a small laptop, and antivirus programs that read every file
APP = Path(__file__).parents[1] / "chat" / "app.py"


def chat(
    app: str | Path | None = None,
    *,
    port: int | None = None,
    host: str = "127.0.0.1",
    show: bool | None = None,
    env: Mapping[str, str] | None = None,
    patience: float = _PATIENCE,
) -> Program:
    """Starts a chat application, and waits until its page can be used.

    In a notebook it shows a link and the page in a frame. `program.stop()` ends it; so does the end or the restart of
    the kernel.

    Args:
        app: the file of a Chainlit application; the course's own when left out.
        port: its port; 8080 or the next free one when left out.
        host: the address it listens on. The course's application demands logins where other machines can connect.
        show: whether to show the page in the notebook; as the notebook allows when left out.
        env: variables for the application, such as `{"MODEL": "course-small"}`.
        patience: seconds until the start has failed.

    Raises:
        PortInUse: another program holds the port that was asked for.
        LaunchFailed: the application does not start; the message shows what it said.
        HomeNotWritable: its log cannot be written.
    """
    is_framed = in_notebook() if show is None else show
    # A frame inside an editor gets no cookies, and without cookies there is nobody whose history it could be.
    extra = {"CHAT_HISTORY": "off"} if is_framed else {}
    program = Program(plan(Path(app) if app else APP, port, host, {**extra, **(env or {})})).wait_until_ready(patience)
    if is_framed:
        from IPython.display import display

        display(program)  # type: ignore[no-untyped-call]  # IPython ships no types for it
    return program


def plan(app: Path, wanted: int | None, host: str, env: Mapping[str, str]) -> Plan:
    """Decides how a chat application is started.

    Args:
        app: its file.
        wanted: the port that was asked for, if one was.
        host: the address it listens on.
        env: variables for it.
    """
    port, note = choose_port(PORT, wanted)
    home = Settings.load().home
    return Plan(
        name="The chat application",
        command=[sys.executable, "-m", "chainlit", "run", str(app.resolve()), "--headless", "--port", str(port)],
        url=f"http://127.0.0.1:{port}",
        log=home / "logs" / f"chat-{port}.log",
        # Chainlit writes into its root. With CI set it would bring a key that makes OpenAI the course's cloud. And to
        # pack each token for the way over a fast network costs more than it saves.
        env={
            "CHAINLIT_HOST": host,
            "CHAINLIT_APP_ROOT": str(_root(home)),
            "CI": "",
            "UVICORN_WS_PER_MESSAGE_DEFLATE": "false",
            **env,
        },
        note=note,
    )


def _root(home: Path) -> Path:
    folder = home / "chat"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HomeNotWritable(folder, error) from error
    return folder
