"""Drives a browser that nobody sees through the page's own measurements.

It knows nothing of what is measured. No driver is needed: the page measures itself and sends its figures back.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from labkit.errors import DemoNotMeasured
from labkit.launch import Program
from labkit.launch.program import Plan
from labkit.settings import Settings
from labkit.webgpu.figures import Figures

_BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", "msedge", "chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)  # fmt: skip
_FLAGS = ("--headless", "--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage")
SOFTWARE_GPU = (
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
)
"""Flags that give Chromium a graphics adapter that the processor imitates: slow, and real in every other way."""
_PAUSE = 0.1  # seconds between two looks
_BY_HAND = (
    "No Chromium, Chrome or Edge was found. Open the page, press “Measure everything”, and paste the figures: "
    "`figures = webgpu.entered('''...''')`."
)


def find_browser() -> str | None:
    """Gives the path of a browser that can be driven, or None."""
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


def measure(url: str, question: str, providers: Sequence[str] = ("wasm", "webgpu"), patience: float = 180.0) -> Figures:
    """Lets a browser without a window open the page and measure.

    Where it finds no graphics adapter, it measures once more with one that the processor imitates.

    Args:
        url: the page, as `labkit webgpu` serves it.
        question: what to ask the chat model.
        providers: `wasm`, `webgpu` or both.
        patience: seconds until it has failed.

    Returns:
        The figures; empty, with a note, where there is no browser.

    Raises:
        DemoNotMeasured: the browser or the page failed; the message says how.
    """
    if (browser := find_browser()) is None:
        return Figures(note=_BY_HAND)
    address = f"{url}/?{urlencode({'measure': ','.join(providers), 'question': question})}"
    figures = _drive([browser, *_FLAGS], url, address, patience)
    if "webgpu" in providers and not figures.raw["capabilities"]["adapter"]:
        figures = _drive([browser, *_FLAGS, *SOFTWARE_GPU], url, address, patience)
    return figures


def entered(text: str) -> Figures:
    """Takes figures that somebody has copied from the page.

    Args:
        text: what stands in the page's field.

    Raises:
        DemoNotMeasured: that is something else.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise DemoNotMeasured(f"that is not what stands in the page's field ({error})") from error
    if not isinstance(found, dict) or "providers" not in found:
        raise DemoNotMeasured("that is not what stands in the page's field (there are no providers in it)")
    return Figures(found)


def _drive(command: Sequence[str], url: str, address: str, patience: float) -> Figures:
    # Root has no sandbox on Linux; whoever works in a container is root.
    root = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [*command, *root, f"--user-data-dir={profile}", address]
        log = Settings.load().home / "logs" / "browser.log"
        with Program(Plan(name="The browser", command=command, url=url, log=log)) as program:
            found = _wait(program, url, patience)
    if "error" in found:
        raise DemoNotMeasured(str(found["error"]))
    return Figures(found)


def _wait(program: Program, url: str, patience: float) -> dict[str, object]:
    opener = build_opener(ProxyHandler({}))
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and program.is_running:
        with opener.open(f"{url}/figures", timeout=patience) as reply:
            if reply.status == 200:  # noqa: PLR2004  # OK; 204 means that there are none yet
                found: dict[str, object] = json.load(reply)
                return found
        time.sleep(_PAUSE)
    state = f"no figures came within {patience:g} seconds" if program.is_running else "the browser ended"
    raise DemoNotMeasured(f"{state}. It said: {program.logs(5) or '(nothing)'}")
