"""The spare Foundry Local: real, stopped and started at will, and never left behind."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
from programs import running

from labkit import health
from labkit.client import Lab
from labkit.health import SpareService

OWNER = """
import sys
from labkit.health import SpareService

spare = SpareService()
sys.stderr.write(f"{spare._process.pid}\\n")
sys.stderr.flush()
print("ready", flush=True)
sys.stdin.read()
"""


def test_it_is_unloaded_loaded_stopped_and_started(small: Lab) -> None:
    """Each state is seen by the ladder, and another Foundry Local of this machine is not disturbed."""
    with SpareService() as spare:
        assert spare.lab.endpoint != small.endpoint
        assert health.check(spare.lab).status == "pass"
        spare.unload()
        assert health.check(spare.lab).decisive.rung == "loaded"
        spare.load()
        assert health.check(spare.lab).status == "pass"
        spare.stop()
        spare.stop()
        assert "stopped" in repr(spare)
        assert health.check(spare.lab).decisive.rung == "socket"
        assert health.check(small).status == "pass"
        assert spare.start() == spare.start() == spare.lab.model
        assert health.check(spare.lab).status == "pass"
    assert not spare.is_running


def test_nothing_is_left_when_its_owner_is_killed(home: Path) -> None:
    """The operating system closes the pipe, and the service notices."""
    with running(OWNER, home) as owner:
        assert owner.stderr is not None
        service = psutil.Process(int(owner.stderr.readline()))
        assert service.is_running()
        owner.kill()
        deadline = time.monotonic() + 30
        while service.is_running() and service.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not service.is_running() or service.status() == psutil.STATUS_ZOMBIE, sys.platform
