"""The three-level check names each trouble of the seed's list, and its fix, with the real Foundry Local behind.

Open WebUI is the simulated one here; `tests/open_webui` holds it against the real one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import site

from labkit.client import Lab
from labkit.errors import EndpointUnreachable, OpenWebUIRefused
from labkit.open_webui import OpenWebUI, Report, Simulated, check, configure, trouble
from labkit.open_webui.files import seen_from_container
from labkit.ports import free_port
from labkit.service import Service
from labkit.streaming import stream

HEALTHY = {"/health": (200, {"status": True}), "/api/version": (200, {"version": "1"})}


def set_up(lab: Lab, **changes: str | None) -> dict[str, str]:
    """Gives labkit's own set-up with some variables changed, or left out."""
    variables = dict(configure(lab).environment(Path("unused")))
    return {name: value for name, value in {**variables, **changes}.items() if value is not None}


@pytest.fixture
def ui(small: Lab) -> Iterator[Simulated]:
    """Gives an Open WebUI with labkit's own set-up."""
    with Simulated(set_up(small)) as simulated:
        yield simulated


@pytest.fixture
def api(ui: Simulated) -> Iterator[OpenWebUI]:
    """Gives an administrator who has signed in."""
    with OpenWebUI(ui.url) as page:
        page.sign_in()
        yield page


def assert_trouble(report: Report, level: int, name: str, *fix: str) -> None:
    """Makes sure that one level fails with a trouble, and that its fix names what to do."""
    assert (report.decisive.number, report.trouble) == (level, name), report
    assert report.exit_code == 2
    for words in fix:
        assert words in report.fix


def test_all_three_levels_pass(small: Lab, ui: Simulated) -> None:
    """Real tokens come through both programs."""
    report = check(small, ui.url)
    assert [level.status for level in report.levels] == ["pass", "pass", "pass"], report
    assert (report.exit_code, report.fix) == (0, "")
    assert "course-small:1 answered with" in report.levels[2].output


def test_the_check_sets_no_limit_of_its_own(small: Lab, ui: Simulated) -> None:
    """It asks as the page asks, else it would pass where people fail."""
    check(small, ui.url)
    (chat,) = [body for path, body in ui.requests if path == "/api/chat/completions"]
    assert not {"max_tokens", "temperature"} & set(chat)
    assert "session_id" in chat


def test_an_alias_is_enough(small: Lab, ui: Simulated) -> None:
    """People name models as they type them."""
    report = check(Lab("foundry-local", small.endpoint, "-", "course-small"), ui.url)
    assert report.status == "pass", report
    assert report.model == small.model


def test_connection_refused_because_foundry_local_is_down(ui: Simulated) -> None:
    """The seed's first trouble; the chat is not tried."""
    lab = Lab("foundry-local", f"http://127.0.0.1:{free_port()}/v1", "-", "course-small")
    report = check(lab, ui.url)
    assert [level.status for level in report.levels] == ["fail", "pass", "unknown"]
    assert "is refused: nothing listens there" in report.decisive.output
    assert "labkit serve" in report.fix
    assert trouble.foundry_down(lab, None).name == "foundry-down"  # other tests may run a Foundry Local elsewhere


def test_connection_refused_because_foundry_local_runs_on_another_port(small: Lab, ui: Simulated) -> None:
    """Its ports change from start to start unless one is given."""
    report = check(Lab("foundry-local", f"http://127.0.0.1:{free_port()}/v1", "-", "course-small"), ui.url)
    assert_trouble(report, 1, "foundry-elsewhere", "FOUNDRY_PORT=")


def test_another_program_holds_the_port_of_foundry_local(ui: Simulated) -> None:
    """`netstat` in the seed shows a number; this says who it is."""
    with site({"/": (200, "hello")}) as other:
        report = check(Lab("foundry-local", f"{other.url}/v1", "-", "course-small"), ui.url)
    assert_trouble(report, 1, "port-taken", "Stop that program", "labkit serve --port")
    assert "process" in report.decisive.output


def test_models_do_not_appear_because_none_is_loaded(small: Lab, ui: Simulated) -> None:
    """Foundry Local lists what it has on disk, and answers only with what is in memory."""
    service = Service(small.endpoint.removesuffix("/v1"))
    service.unload("course-small")
    try:
        assert_trouble(check(small, ui.url), 1, "not-loaded", "labkit ask --model course-small")
    finally:
        service.load("course-small")


def test_models_do_not_appear_because_the_name_is_wrong(small: Lab, ui: Simulated) -> None:
    """The nearest one is named."""
    report = check(Lab("foundry-local", small.endpoint, "-", "course-smal"), ui.url)
    assert_trouble(report, 1, "not-listed", "course-small")


def test_open_webui_does_not_run(small: Lab) -> None:
    """Where it is not installed, the fix says how to get it."""
    report = check(small, f"http://127.0.0.1:{free_port()}")
    assert_trouble(report, 2, "page-down", "labkit open-webui install", "labkit open-webui files")


def test_another_program_holds_the_port_of_open_webui(small: Lab) -> None:
    """A page is no Open WebUI."""
    with site({"/health": (200, "fine"), "/": (200, "hello")}) as other:
        report = check(small, other.url)
    assert_trouble(report, 2, "port-taken", "OPEN_WEBUI_URL")


def test_open_webui_is_still_starting(small: Lab) -> None:
    """That is a matter of time, and no failure yet."""
    with site({**HEALTHY, "/ready": (503, {"detail": "Startup not complete"})}) as page:
        report = check(small, page.url)
    assert report.levels[1].status == "warn"
    assert report.levels[1].trouble == "starting"


@pytest.mark.parametrize(
    ("address", "name", "fix"),
    [
        ("http://127.0.0.1:9/v1", "wrong-address", "OPENAI_API_BASE_URLS={endpoint}"),
        ("{root}", "no-v1", "OPENAI_API_BASE_URLS={endpoint}"),
        ("http://host.docker.internal:51211/v1", "no-way-to-host", "COMPOSE_PROFILES=host"),
        ("{root}/models", "wrong-address", "ENABLE_PERSISTENT_CONFIG=False"),
    ],
)
def test_models_do_not_appear_because_of_the_address(
    address: str, name: str, fix: str, small: Lab, api: OpenWebUI
) -> None:
    """Each wrong address has its own cause and its own fix."""
    api.connect_to(address.format(root=small.endpoint.removesuffix("/v1")))
    assert_trouble(check(small, api.url), 3, name, fix.format(endpoint=small.endpoint))


def test_a_container_is_told_apart_from_a_wrong_port(small: Lab) -> None:
    """This machine reaches the address, Open WebUI does not: so its loopback interface is another one."""
    lost = {"detail": "Open WebUI: Server Connection Error"}
    config = {"ENABLE_OPENAI_API": True, "OPENAI_API_BASE_URLS": [small.endpoint]}
    pages = {**HEALTHY, "/ready": (200, {"status": True}), "/api/models": (200, {"data": []})}
    with site({**pages, "/openai/config": (200, config), "/openai/models/0": (500, lost)}) as container:
        report = check(small, container.url, key="token")
    assert_trouble(report, 3, "container-loopback", "host.docker.internal", "COMPOSE_PROFILES=host")


def test_in_a_container_the_way_leads_through_the_host(small: Lab) -> None:
    """What the fix says mends it."""
    variables = set_up(small)
    with Simulated(variables, in_container=True) as ui, OpenWebUI(ui.url) as page:
        assert_trouble(check(small, ui.url), 3, "container-loopback", "host.docker.internal")
        page.sign_in()
        page.connect_to(seen_from_container(small.endpoint, "desktop"))
        assert check(small, ui.url).is_ok


def test_the_server_refuses_the_key_of_open_webui(small: Lab, ui: Simulated, api: OpenWebUI) -> None:
    """A gateway checks keys, Foundry Local does not."""
    with site({"/v1/models": (401, {"error": {"message": "no such key"}})}) as gateway:
        api.connect_to(f"{gateway.url}/v1")
        assert_trouble(check(small, ui.url), 3, "key-refused", "OPENAI_API_KEYS")


def test_the_server_offers_other_models(small: Lab, ui: Simulated, api: OpenWebUI) -> None:
    """The models that are there are named."""
    with site({"/v1/models": (200, {"data": [{"id": "llama3"}]})}) as other:
        api.connect_to(f"{other.url}/v1")
        report = check(small, ui.url)
    assert_trouble(report, 3, "not-listed", "labkit serve --model course-small")
    assert "llama3" in report.decisive.output


def test_connections_are_switched_off(small: Lab) -> None:
    """Open WebUI then shows no model, and no error either."""
    with Simulated(set_up(small, ENABLE_OPENAI_API="False")) as ui:
        assert_trouble(check(small, ui.url), 3, "connections-off", "ENABLE_OPENAI_API=True")


def test_an_account_may_not_see_the_model(small: Lab) -> None:
    """Without an administrator's key the connections stay unknown."""
    pages = {**HEALTHY, "/ready": (200, {"status": True}), "/api/models": (200, {"data": []})}
    with site({**pages, "/openai/config": (401, {"detail": "prohibited"})}) as page:
        assert_trouble(check(small, page.url, key="token"), 3, "not-visible", "BYPASS_MODEL_ACCESS_CONTROL=True")


def test_an_old_list_is_reloaded(small: Lab) -> None:
    """The server lists the model by now."""
    config = {"ENABLE_OPENAI_API": True, "OPENAI_API_BASE_URLS": [small.endpoint]}
    pages = {**HEALTHY, "/ready": (200, {"status": True}), "/api/models": (200, {"data": []})}
    offered = {"data": [{"id": small.model}]}
    with site({**pages, "/openai/config": (200, config), "/openai/models/0": (200, offered)}) as page:
        assert_trouble(check(small, page.url, key="token"), 3, "stale", "Reload")


def test_without_a_limit_a_small_model_refuses_every_question(small: Lab) -> None:
    """Open WebUI sends no limit by itself, and Foundry Local then reserves more than the model holds."""
    with Simulated(set_up(small, DEFAULT_MODEL_PARAMS=None)) as ui:
        report = check(small, ui.url)
    assert_trouble(report, 3, "no-token-limit", """DEFAULT_MODEL_PARAMS='{"max_tokens": 256}'""")
    assert "2,048 tokens are reserved" in report.decisive.output
    assert "holds 1,024" in report.decisive.output
    assert "search_options.cc" not in report.decisive.output


def test_the_tools_of_the_page_are_too_much_for_a_small_model(small: Lab) -> None:
    """They come with every question that is typed into the page, so the check asks as the page does."""
    with Simulated(set_up(small, DEFAULT_MODEL_METADATA=None)) as ui:
        report = check(small, ui.url)
    assert_trouble(report, 3, "page-tools", "DEFAULT_MODEL_METADATA=", '"builtin_tools": false')
    assert "search_options.cc" not in report.decisive.output


def test_a_login_needs_a_key(small: Lab) -> None:
    """The fix says where keys are made."""
    with Simulated(set_up(small, WEBUI_AUTH="True")) as ui:
        assert_trouble(check(small, ui.url), 3, "login", "OPEN_WEBUI_API_KEY")
        assert_trouble(check(small, ui.url, key="wrong"), 3, "login", "OPEN_WEBUI_API_KEY")


def test_accounts_from_earlier_days_block_a_page_without_login(small: Lab) -> None:
    """Open WebUI then refuses to open."""
    pages = {**HEALTHY, "/ready": (200, {"status": True}), "/api/config": (200, {"features": {"auth": False}})}
    with site({**pages, "/api/v1/auths/signin": (400, {"detail": "existing users"})}) as page:
        assert_trouble(check(small, page.url), 3, "accounts", "WEBUI_AUTH=True")


def test_an_unknown_failure_is_shown_as_it_is(small: Lab) -> None:
    """What is not recognised is not hidden."""
    listed = {"data": [{"id": small.model}]}
    pages = {**HEALTHY, "/ready": (200, {"status": True}), "/api/models": (200, listed)}
    with site({**pages, "/api/chat/completions": (418, {"detail": "I am a teapot"})}) as page:
        report = check(small, page.url, key="token")
    assert_trouble(report, 3, "chat-failed", "log")
    assert "teapot" in report.decisive.output


def test_an_empty_answer_is_no_answer(small: Lab) -> None:
    """A chat that says nothing does not pass."""
    listed = {"data": [{"id": small.model}]}
    pages = {**HEALTHY, "/ready": (200, {"status": True}), "/api/models": (200, listed)}
    empty = {"choices": [{"message": {"content": ""}}]}
    with site({**pages, "/api/chat/completions": (200, empty)}) as page:
        assert_trouble(check(small, page.url, key="token"), 3, "chat-failed")


def test_a_chat_through_open_webui_streams(small: Lab, api: OpenWebUI) -> None:
    """What reads streams from Foundry Local reads them from there as well."""
    through = api.lab(small.model)
    answer = stream(through, "What is a token?", temperature=0, max_tokens=60)
    assert len(list(answer)) > 5
    assert answer.finish_reason == "stop"
    through.client.close()


def test_what_open_webui_says_reaches_its_caller(ui: Simulated, api: OpenWebUI) -> None:
    """Words and status of a refusal, and of silence."""
    with pytest.raises(OpenWebUIRefused, match=r"POST /api/chat/completions \(HTTP 400\): Model not found"):
        api.ask("llama3", "Hello")
    ui.stop()
    api.close()
    with pytest.raises(EndpointUnreachable, match="labkit open-webui"):
        api.models()


def test_a_report_says_everything_in_words(small: Lab, ui: Simulated, api: OpenWebUI) -> None:
    """In plain text and in a notebook, with markup from outside shown as text."""
    api.connect_to("http://127.0.0.1:9/<b>")
    report = check(small, ui.url)
    text, html = repr(report), report._repr_html_()
    assert "3 [FAIL]" in text
    assert "Fix: Set OPENAI_API_BASE_URLS" in text
    assert "✘ fail" in html
    assert "<b>" not in html
