"""A report is health+json, a table and text, and it ages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from io import StringIO

import pytest
from rich.console import Console

from labkit import health, simulator
from labkit.health import Report
from labkit.ports import free_port


@pytest.fixture(scope="module")
def well() -> Iterator[Report]:
    """Gives a report of a server that is well."""
    with simulator.run("instant", text="one two") as cloud:
        yield health.check(cloud.lab)


@pytest.fixture(scope="module")
def broken() -> Report:
    """Gives a report of a server that is not there."""
    return health.check(health.find("<b>model</b>", f"http://127.0.0.1:{free_port()}/v1"))


def test_the_json_follows_the_draft(well: Report) -> None:
    """Each check has a type, a value with its unit, a status and a time; a good one needs no words."""
    body = json.loads(well.to_json())
    assert (body["status"], body["version"]) == ("pass", "1")
    (check,) = body["checks"]["simulated-cloud:first_token"]
    assert (check["componentType"], check["observedUnit"], check["status"]) == ("component", "ms", "pass")
    assert check["observedValue"] > 0
    assert datetime.fromisoformat(check["time"]).utcoffset() is not None
    assert "output" not in check
    assert body["checks"]["simulated-cloud:socket"][0]["componentType"] == "system"


def test_the_json_names_what_was_skipped(well: Report) -> None:
    """A rung that does not apply is no check, and it is not hidden."""
    body = well.to_dict()
    assert not any(key.endswith((":status", ":loaded")) for key in body["checks"])
    assert [note.split()[0] for note in body["notes"]] == ["status", "loaded"]


def test_the_json_of_a_failure_says_the_cause_and_the_fix(broken: Report) -> None:
    """Programs pass it on to people."""
    body = broken.to_dict()
    assert body["status"] == "fail"
    assert "nothing listens" in body["output"]
    assert "BASE_URL" in body["output"]


def test_a_stale_report_is_unknown_and_never_pass(well: Report) -> None:
    """What was true once is no news."""
    aged = replace(well, expires=well.at + 45)
    assert aged.as_of(well.at + 44).status == "pass"
    late = aged.as_of(well.at + 45)
    assert (late.status, late.liveness, late.readiness, late.exit_code) == ("unknown", "unknown", "unknown", 2)
    assert "45 s old" in late.output
    assert late.first_token_ms is None
    assert {result.status for result in late.results} == {"unknown", "skipped"}


def test_every_symbol_has_its_word(well: Report, broken: Report) -> None:
    """No status is told by colour or symbol alone, neither in HTML nor in a terminal."""
    for report, mark in ((well, "✔ pass"), (broken, "✘ fail")):
        console = Console(file=StringIO(), width=160)
        console.print(report)
        assert isinstance(console.file, StringIO)
        assert mark in console.file.getvalue()
        assert mark in report._repr_html_()
        assert mark[2:].upper() in repr(report)


def test_names_cannot_break_out_of_the_table(broken: Report) -> None:
    """A model's name comes from outside."""
    assert "<b>" not in broken._repr_html_()
    assert "&lt;b&gt;model" in broken._repr_html_()


def test_the_text_names_the_fix(broken: Report) -> None:
    """What to type next stands under the rung that is broken."""
    assert "Fix: Start the server" in repr(broken)
