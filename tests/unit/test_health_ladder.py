"""The ladder finds the rung that is broken, says what to do, and costs little."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from asgi_server import served
from pages import silence, site
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labkit import health, simulator
from labkit.client import Lab
from labkit.errors import HealthError, SettingsError
from labkit.health import Ladder, Report, Timeouts
from labkit.ports import free_port
from labkit.service import Service
from labkit.simulator import Cloud, VirtualClock

_HASTY = Timeouts(socket=1.0, status=0.5, models=0.5, loaded=0.5, first_token=1.0, completion=0.5)
_TEXT = "one two three four five six seven eight nine ten"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Gives a simulated cloud that answers at once."""
    with simulator.run("instant", text=_TEXT) as running:
        yield running


def _statuses(report: Report) -> dict[str, str]:
    return {result.rung: result.status for result in report.results}


# What is well


def test_a_healthy_model_passes_every_rung(small: Lab) -> None:
    """On Foundry Local all six rungs are tried, from the socket to the first token."""
    report = health.check(small)
    assert set(_statuses(report).values()) == {"pass"}, repr(report)
    assert (report.status, report.liveness, report.readiness, report.exit_code) == ("pass", "pass", "pass", 0)
    assert report.first_token_ms is not None and report.first_token_ms > 0


def test_another_server_skips_the_rungs_of_foundry_local_and_says_so(cloud: Cloud) -> None:
    """A skipped rung is neither well nor broken, and the report gives the reason."""
    report = health.check(cloud.lab)
    assert [name for name, status in _statuses(report).items() if status == "skipped"] == ["status", "loaded"]
    assert "only Foundry Local" in report["status"].output
    assert report.status == "pass"


def test_an_alias_is_enough(small: Lab) -> None:
    """The exact id is learned on the way up, because chat takes nothing else."""
    assert health.check(replace(small, model="Course-Small")).model == small.model


# Each rung broken on purpose


def test_a_stopped_service_fails_at_the_socket(cloud: Cloud) -> None:
    """The rungs above are not tried, and nobody claims to know about them."""
    cloud.stop()
    report = health.check(cloud.lab)
    assert (report.decisive.rung, report.liveness, report.exit_code) == ("socket", "fail", 2)
    assert "labkit simulate" in report.fix
    assert {status for rung, status in _statuses(report).items() if rung != "socket"} == {"unknown"}


def test_a_foundry_local_that_does_not_run_is_started_with_one_command() -> None:
    """The fix is the next thing to type."""
    report = health.check(Lab("foundry-local", f"http://127.0.0.1:{free_port()}/v1", "none", "course-small"))
    assert "labkit serve" in report.fix


def test_another_program_on_the_port_fails_at_the_status(cloud: Cloud) -> None:
    """Who expects Foundry Local is told that it is not there."""
    report = health.check(replace(cloud.lab, source="foundry-local"))
    assert (report.decisive.rung, report.liveness) == ("status", "fail")


def test_an_unknown_model_fails_at_the_list(cloud: Cloud) -> None:
    """The fix names a model that is there."""
    report = health.check(replace(cloud.lab, model="fixed-txet"))
    assert (report.decisive.rung, report.liveness) == ("models", "pass")
    assert "--model fixed-text" in report.fix


def test_an_unloaded_model_fails_at_the_memory(small: Lab) -> None:
    """The service is alive and needs no restart; the model is not ready."""
    service = Service(small.endpoint.removesuffix("/v1"))
    service.unload("course-small")
    try:
        report = health.check(small)
        assert (report.decisive.rung, report.liveness, report.readiness) == ("loaded", "pass", "fail")
        assert 'labkit.connect("course-small")' in report.fix
    finally:
        service.load("course-small")
    assert health.check(small).status == "pass"


def test_a_stalled_stream_fails_at_the_completion(cloud: Cloud) -> None:
    """Headers and a first token are not an answer."""
    cloud.break_with("stall")
    report = health.check(cloud.lab, timeouts=_HASTY)
    assert (report.decisive.rung, report.status) == ("completion", "fail")
    assert "stalled" in report.output


def test_a_slow_first_token_is_a_warning(cloud: Cloud) -> None:
    """A slow model is degraded, and still ready."""
    cloud.break_with("slow")
    report = health.check(cloud.lab, slow_ms=500)
    assert (report.decisive.rung, report.status, report.exit_code) == ("first_token", "warn", 1)
    assert report.is_ready
    assert report.first_token_ms is not None and report.first_token_ms > 500


def test_a_first_token_that_never_comes_fails(cloud: Cloud) -> None:
    """There is a limit to patience."""
    cloud.break_with("slow")
    report = health.check(cloud.lab, timeouts=_HASTY)
    assert (report.decisive.rung, report.status) == ("completion", "fail")
    assert "no token came within 1 s" in report.output


@pytest.mark.parametrize("fault", ["500", "503", "cut", "error", "truncated", "malformed", "refuse", "content_type"])
def test_every_bad_ending_fails_at_the_completion(cloud: Cloud, fault: str) -> None:
    """Nothing that is not a whole answer passes for one."""
    cloud.break_with(fault)
    report = health.check(cloud.lab, timeouts=_HASTY)
    assert (report.decisive.rung, report.status) == ("completion", "fail")
    assert report.output


def test_a_refused_key_is_named(cloud: Cloud) -> None:
    """The report says what to set."""
    cloud.break_with("unauthorised")
    assert "API_KEY" in health.check(cloud.lab).output


def test_a_server_that_limits_its_load_is_degraded_and_not_broken(cloud: Cloud) -> None:
    """It answers others, and will answer us later."""
    cloud.break_with("429")
    report = health.check(cloud.lab)
    assert (report.decisive.rung, report.status) == ("completion", "warn")


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ((200, "<html>"), "no JSON"),
        ((200, {"models": []}), "without a list"),
        ((404, "no"), "404"),
        ((401, ""), "key"),
        ((200, [1]), "without a list"),
    ],
)
def test_a_server_of_another_kind_fails_at_the_list(page: Any, said: str) -> None:
    """HTML, other JSON, other paths: the report says what came."""
    with site({"/v1/models": page}) as server:
        report = health.check(Lab("openai-compatible", f"{server.url}/v1", "key", "some-model"))
    assert report.decisive.rung == "models"
    assert said in report.output
    assert report.fix


def test_a_server_that_never_says_a_word_holds_nobody() -> None:
    """Each rung has a limit of its own."""
    with silence() as url:
        report = health.check(Lab("openai-compatible", f"{url}/v1", "key", "some-model"), timeouts=_HASTY)
    assert (report["socket"].status, report["models"].status) == ("pass", "fail")
    assert "within 0.5 s" in report.output


# Reasoning models


def _model(*events: object, refuses_max_tokens: bool = False, status: int = 200, error: str = "") -> Starlette:
    """Makes a server with one model that sends these chunks."""

    async def models(request: Request) -> Response:
        return JSONResponse({"data": [{"id": "thinker"}]})

    async def chat(request: Request) -> Response:
        asked = await request.json()
        assert "temperature" not in asked
        if refuses_max_tokens and "max_tokens" in asked:
            message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            return JSONResponse({"error": {"message": message}}, 400)
        if status != 200:
            return JSONResponse({"error": {"message": error}}, status)
        body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in events) + "data: [DONE]\n\n"
        return Response(body, media_type="text/event-stream")

    return Starlette(routes=[Route("/v1/models", models), Route("/v1/chat/completions", chat, methods=["POST"])])


_LENGTH = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
_USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 1}}
_THOUGHT = {"choices": [{"index": 0, "delta": {"reasoning_content": "Hm"}, "finish_reason": None}]}


@pytest.mark.parametrize(
    "app",
    [
        _model(_THOUGHT, _LENGTH, _USAGE),
        _model(_LENGTH),
        _model(_USAGE),
        _model(_LENGTH, refuses_max_tokens=True),
        _model(status=400, error="Could not finish the message because max_tokens or model output limit was reached."),
    ],
    ids=["thought", "finish reason only", "usage only", "other name of the limit", "refused for lack of room"],
)
def test_a_reasoning_model_that_says_nothing_is_well(app: Starlette) -> None:
    """One token may be spent on thinking; any sign of work counts."""
    with served(app) as url, (lab := Lab("openai-compatible", f"{url}/v1", "key", "thinker")).client:
        report = health.check(lab)
    assert report.status == "pass", repr(report)


# What it costs


def _hour(faults: str | None = None, **options: Any) -> tuple[Cloud, list[Report]]:
    with VirtualClock() as clock:
        cloud = simulator.run("instant", text=_TEXT, clock=clock, faults=faults)
        ladder = Ladder(cloud.lab, clock=clock, **options)
        reports = []
        while clock.now() < 3_600:
            reports.append(ladder.check())
            clock.sleep(15)
        assert cloud.verdict().is_clean, repr(cloud.verdict())
        return cloud, reports


def test_an_hour_of_checks_costs_few_tokens() -> None:
    """Every check climbs the ladder, and few of them ask for a token."""
    cloud, reports = _hour()
    assert {report.status for report in reports} == {"pass"}
    assert len(reports) > 200
    assert 25 < len(cloud.requests) <= 50


@pytest.mark.parametrize("fault", ["500", "429", "stall", "unauthorised"])
def test_a_broken_server_is_not_stormed(fault: str) -> None:
    """After failures the wait grows, and a pause that the server asks for is kept."""
    cloud, reports = _hour(fault)
    assert {report.status for report in reports} <= {"fail", "warn"}
    assert len(cloud.requests) <= 60


def test_the_requests_of_an_hour_are_limited_and_then_nothing_is_known() -> None:
    """A result that could not be renewed becomes unknown; it never stays `pass`."""
    cloud, reports = _hour(per_hour=10)
    assert len(cloud.requests) == 10
    assert reports[-1].status == "unknown"
    assert "10 requests of this hour" in reports[-1].output


def test_monitors_that_start_together_drift_apart() -> None:
    """Chance spreads the requests for a token."""
    times = []
    for _ in range(2):
        cloud, _reports = _hour()
        times.append([round(request.arrived) for request in cloud.requests])
    assert times[0] != times[1]


def test_a_kept_result_does_not_outlive_the_server(cloud: Cloud) -> None:
    """What was known of a server says nothing about the one that is there after a restart."""
    with (lab := replace(cloud.lab)).client:  # the cloud's own Lab ends with the cloud
        ladder = Ladder(lab)
        assert ladder.check().status == "pass"
        cloud.stop()
        assert ladder.check().status == "fail"
        port = int(cloud.endpoint.removesuffix("/v1").rsplit(":", 1)[1])
        with simulator.run("instant", text=_TEXT, port=port, faults="500"):
            assert ladder.check().decisive.rung == "completion"


def test_a_kept_measurement_is_told_from_a_new_one(cloud: Cloud) -> None:
    """A router that averages must not count the same measurement twice."""
    ladder = Ladder(cloud.lab)
    first, second = ladder.check(), ladder.check()
    assert first.new_first_token_ms == second.first_token_ms
    assert second.new_first_token_ms is None


# Bad input, and where to look


@pytest.mark.parametrize("bad", [{"slow_ms": -1}, {"every": float("nan")}, {"per_hour": 0}, {"slow_ms": float("inf")}])
def test_a_value_that_cannot_be_used_is_refused(bad: Any) -> None:
    """The error names it."""
    with pytest.raises(HealthError, match=next(iter(bad))):
        Ladder(Lab("openai-compatible", "http://127.0.0.1:1/v1", "key", "m"), **bad)
    with pytest.raises(HealthError, match="socket"):
        Ladder(Lab("openai-compatible", "http://127.0.0.1:1/v1", "key", "m"), timeouts=Timeouts(socket=0))


def test_finding_a_lab_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A health check sees the machine as it is."""
    port = free_port()
    monkeypatch.setenv("FOUNDRY_PORT", str(port))
    lab = health.find()
    assert (lab.source, lab.endpoint) == ("foundry-local", f"http://127.0.0.1:{port}/v1")
    assert health.check(lab).status == "fail"


def test_an_address_may_be_given_by_hand(cloud: Cloud) -> None:
    """An address without /v1 is put right; one that is none is refused."""
    with (lab := health.find("fixed-text", cloud.endpoint.removesuffix("/v1"))).client:
        assert health.check(lab).status == "pass"
    with pytest.raises(SettingsError):
        health.find(url="nonsense")
