"""The demo as `python -m http.server` serves it, with faults where a test wants some.

It knows nothing of what the page makes of them.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

from labkit.webgpu import folder

Fault = Literal["cut", "corrupt", "text", "missing"]


class FaultyDemo(ThreadingHTTPServer):
    """Python's own server in the page's folder.

    Attributes:
        faults: by the end of a path, what is wrong with it.
        served: the paths that were asked for.
    """

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(root)))
        self.faults: dict[str, Fault] = {}
        self.served: list[str] = []

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self.server_port}"

    def fault(self, path: str) -> Fault | None:
        """Gives what is wrong with a path."""
        return next((fault for end, fault in self.faults.items() if path.partition("?")[0].endswith(end)), None)


class _Handler(SimpleHTTPRequestHandler):
    server: FaultyDemo

    def do_GET(self) -> None:
        self.server.served.append(self.path)
        match self.server.fault(self.path):
            case "cut" | "corrupt" as fault:
                self._send_spoilt(fault)
            case "missing":
                self.send_error(404)
            case _:
                super().do_GET()

    def guess_type(self, path: Any) -> str:
        return "text/plain" if self.server.fault(str(path)) == "text" else super().guess_type(path)

    def _send_spoilt(self, fault: str) -> None:
        content = bytearray(Path(self.translate_path(self.path)).read_bytes())
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault == "corrupt":
            content[len(content) // 2] ^= 1
        self.wfile.write(content if fault == "corrupt" else content[: len(content) // 2])
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def faulty_demo(root: Path | None = None) -> Iterator[FaultyDemo]:
    """Serves the page until the block ends.

    Args:
        root: the folder to serve; the page's own when left out.
    """
    server = FaultyDemo(root or folder.find())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def copy_without_libraries(target: Path) -> Path:
    """Copies the page without node_modules, with its models in it."""
    page = Path(shutil.copytree(folder.find(), target, ignore=shutil.ignore_patterns("node_modules", "models")))
    (page / "models").symlink_to(folder.MODELS)
    return page
