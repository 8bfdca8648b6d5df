"""Policies: what they decide, how they explain it, and what they refuse at construction."""

from __future__ import annotations

from typing import ClassVar

import pytest

from labkit.errors import PolicyError
from labkit.routing import (
    Always,
    Backend,
    ComplexityScore,
    Condition,
    CostBudget,
    Filter,
    LatencyTarget,
    LengthThreshold,
    Policy,
    Price,
    Privacy,
    Request,
    State,
    TaskTable,
    complexity,
    decide,
)

SMALL = Backend("small", "foundry-local", "course-small:1", is_private=True, context_length=1024)
CLOUD = Backend("cloud", "azure", "gpt", is_private=False, context_length=128_000, price=Price(2.5, 10))
SPARE = Backend("spare", "simulated-cloud", "m", is_private=False, price=Price(1, 4), capabilities=frozenset(["tools"]))
ALL = (SMALL, CLOUD, SPARE)
HARD = "Compare the two designs step by step and explain why the trade-offs of each matter in detail. Then prove it."


def name_of(request: Request, policy: Policy | None = None, state: State = State()) -> str | None:  # noqa: B008  # frozen
    """Gives the name of the chosen backend."""
    chosen = decide(request, ALL, state, policy).chosen
    return chosen and chosen.name


@pytest.mark.parametrize(("words", "name"), [(1, "small"), (99, "small"), (100, "cloud"), (500, "cloud")])
def test_a_hundred_words_go_to_the_cloud(words: int, name: str) -> None:
    """The seed's threshold: fewer than 100 words stay local."""
    assert name_of(Request.of("word " * words)) == name


@pytest.mark.parametrize(
    ("task", "name"),
    [("code_generation", "small"), ("creative_writing", "cloud"), ("data_analysis", "small"), ("research", "cloud")],
)
def test_the_seeds_four_tasks_have_their_places(task: str, name: str) -> None:
    """The task table decides before the length does."""
    assert name_of(Request.of("word " * (300 if name == "small" else 3), task=task)) == name


@pytest.mark.parametrize("request_", [Request.of("x", task="research", private=True), Request.of("a@b.de " * 200)])
def test_privacy_wins_over_every_wish(request_: Request) -> None:
    """Personal data stays local though task and length ask for the cloud, and no fallback leads out."""
    decision = decide(request_, ALL)
    assert decision.chain == (SMALL,)
    assert decision.rule == "privacy"


def test_privacy_leaves_nobody_rather_than_the_cloud() -> None:
    """Without a local backend a private request has nobody at all, even when everything else is soft."""
    decision = decide(Request.of("x", private=True), [CLOUD, SPARE], State({"cloud": Condition(9, "open")}))
    assert decision.chain == ()
    assert {r.backend.name for r in decision.rejected} == {"cloud", "spare"}


def test_the_order_of_the_rules_does_not_weaken_privacy() -> None:
    """Privacy applies first wherever it is listed, so its reason is the one that is given."""
    policy = Policy([CostBudget(0.0), Privacy()])
    decision = decide(Request.of("word " * 9, private=True), [CLOUD], policy=policy)
    assert [r.rule for r in decision.rejected] == ["privacy"]


def test_tools_need_a_backend_that_has_them() -> None:
    """A backend without a capability is ruled out beforehand."""
    assert name_of(Request.of("x", options={"tools": [{"type": "function"}]})) == "spare"


def test_what_does_not_fit_the_context_is_rejected_beforehand() -> None:
    """Prompt and answer together must fit."""
    decision = decide(Request.of("word " * 20, options={"max_tokens": 2_000}), ALL)
    assert decision.chosen is CLOUD
    assert decision.rule == "context"
    assert "holds 1,024" in decision.reason


def test_a_cost_budget_rules_out_what_could_exceed_it() -> None:
    """The longest answer counts, since nobody knows the real length beforehand."""
    policy = Policy([Always("cloud"), CostBudget(0.0015)])
    assert name_of(Request.of("x", options={"max_tokens": 100}), policy) == "cloud"
    assert name_of(Request.of("x", options={"max_tokens": 300}), policy) == "spare"
    assert name_of(Request.of("x"), Policy([Always("cloud")]), State(cost_left=0.0)) == "small"


def test_a_latency_target_sets_slow_backends_back() -> None:
    """A measured time counts; a slow backend stays as the last resort."""
    state = State({"cloud": Condition(first_token_ms=900.0)})
    decision = decide(Request.of("x"), [CLOUD, SMALL], state, Policy([Always("cloud"), LatencyTarget(500)]))
    assert decision.chain == (SMALL, CLOUD)
    assert "900 ms (measured)" in decision.rejected[0].reason


def test_a_troubled_backend_is_the_last_resort() -> None:
    """An open circuit or a failed health check moves a backend to the end; with nobody else it is still asked."""
    state = State({"small": Condition(12.0, "its circuit breaker is open")})
    assert decide(Request.of("x"), ALL, state).chain == (CLOUD, SPARE, SMALL)
    only = decide(Request.of("x"), [SMALL], state)
    assert (only.chosen, only.rule) == (SMALL, "last resort")
    assert decide(Request.of("x"), ALL, State({"small": Condition(health="warn")})).chosen is CLOUD


def test_among_troubled_backends_a_slow_one_comes_before_one_that_fails() -> None:
    """A degraded backend answers, however fast the failing one was."""
    state = State({"small": Condition(0.0, "", "fail", 5.0), "cloud": Condition(0.0, "", "warn", 2_000.0)})
    decision = decide(Request.of("x"), [SMALL, CLOUD], state)
    assert [backend.name for backend in decision.chain] == ["cloud", "small"]


def test_the_same_question_gets_the_same_decision() -> None:
    """A decision depends on nothing but its arguments."""
    request = Request.of(HARD)
    assert decide(request, ALL) == decide(request, ALL)


def test_a_decision_explains_itself_in_words() -> None:
    """Chosen, fallbacks and rejected ones stand in one table with rule and reason."""
    decision = decide(Request.of("x", options={"tools": [{}]}), ALL)
    table = str(decision)
    assert "spare    chosen    capability" in table
    assert "it cannot do tools" in table
    assert "<td>rejected</td>" in decision._repr_html_()


def test_html_in_a_reason_is_escaped() -> None:
    """A name from outside cannot inject markup into a notebook."""
    decision = decide(Request.of("x", task="<script>"), ALL, policy=Policy([TaskTable({"<script>": "cloud"})]))
    assert "<script>" not in decision._repr_html_()


def test_a_rule_of_ones_own_takes_part() -> None:
    """Anybody can write a filter in Python."""

    class NoAzure(Filter):
        name: ClassVar[str] = "no azure"
        is_final: ClassVar[bool] = True

        def objection(self, request: Request, backend: Backend, state: State) -> str | None:
            return "we have no contract" if backend.source == "azure" else None

    assert name_of(Request.of("word " * 200), Policy([NoAzure(), LengthThreshold()])) == "spare"


def test_named_fallbacks_are_followed_and_nobody_else() -> None:
    """A fallback table limits who is asked after a failure."""
    policy = Policy([Always("cloud")], fallback={"cloud": ["spare"]})
    assert decide(Request.of("x"), ALL, policy=policy).chain == (CLOUD, SPARE)
    assert decide(Request.of("x"), ALL, policy=Policy([Always("cloud")], fallback={})).chain == (CLOUD,)


def test_complexity_tells_a_demanding_prompt_from_a_plain_one() -> None:
    """The score is deterministic, lies between 0 and 1 and shows its parts."""
    plain, hard = complexity("What is a token?"), complexity(HARD)
    assert 0 <= plain.score < 0.3 <= hard.score <= 1
    assert "reasoning" in str(hard)
    assert complexity(HARD).parts == hard.parts
    assert name_of(Request.of(HARD), Policy([ComplexityScore()])) == "cloud"
    assert complexity("").score == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LengthThreshold(-1), "threshold is -1"),
        (lambda: ComplexityScore(threshold=1.5), "threshold is 1.5"),
        (lambda: ComplexityScore(weights={"length": 0.5}), "add up to 0.5"),
        (lambda: ComplexityScore(weights={"mood": 1.0}), "'mood' is no sign"),
        (lambda: CostBudget(-0.1), "limit is -0.1"),
        (lambda: LatencyTarget(float("nan")), "first_token_ms is nan"),
        (lambda: LengthThreshold(100, "local", "local"), "both go to local"),
        (lambda: Policy([LengthThreshold(), LengthThreshold(5)]), "two rules 'length'"),
        (lambda: Policy([LengthThreshold(), ComplexityScore()]), "'complexity' never gets a say"),
        (lambda: Policy([Privacy(frozenset(["research"])), TaskTable()]), "'research' is private"),
        (lambda: Policy([], {"a": ["b"], "b": ["a"]}), "in a circle: a -> b -> a"),
        (lambda: Policy([], {"a": ["a"]}), "in a circle: a -> a"),
        (lambda: Policy([Always("mars")]).check(ALL), "no backend is called 'mars'"),
        (lambda: Policy([], {"cloud": ["mars"]}).check(ALL), "no backend is called 'mars'"),
        (lambda: Policy([]).check([SMALL, SMALL]), "two backends are called 'small'"),
    ],
)
def test_rules_that_make_no_sense_are_refused_at_construction(make: object, words: str) -> None:
    """Contradictions, circles, unknown names and impossible values never get as far as a request."""
    with pytest.raises(PolicyError, match=words):
        make()  # type: ignore[operator]
