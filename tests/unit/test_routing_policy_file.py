"""Policies as YAML files: what can be written, and that each mistake is reported with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.errors import PolicyError
from labkit.routing import Backend, Policy, Request, Router

LOCAL = Backend("local", "foundry-local", "m", is_private=True)
CLOUD = Backend("cloud", "azure", "m", is_private=False)

GOOD = """\
rules:
  - privacy: {tasks: [data_analysis]}
  - capability
  - task:
      code_generation: local
      creative_writing: cloud
  - cost: {limit: 0.01}
  - latency: {first_token_ms: 500}
  - length: {threshold: 50, short: null, long: cloud}
  - complexity:
      threshold: 0.4
      simple: local
      complex: cloud
      weights: {length: 0.5, reasoning: 0.5}
fallback:
  cloud: [local]
"""


def load(folder: Path, text: str) -> Policy:
    """Writes a policy and reads it."""
    file = folder / "policy.yaml"
    file.write_text(text, "utf-8")
    return Policy.load(file)


def test_a_policy_file_decides_like_the_same_rules_in_python(tmp_path: Path) -> None:
    """Every rule can be written in YAML."""
    policy = load(tmp_path, GOOD)
    assert [rule.name for rule in policy.rules] == [
        *("privacy", "capability", "task", "cost", "latency", "length", "complexity")
    ]
    decision = policy.decide(Request.of("word " * 60), [LOCAL, CLOUD])
    assert (decision.chosen, decision.fallbacks) == (CLOUD, (LOCAL,))
    assert policy.decide(Request.of("x", task="data_analysis"), [CLOUD]).chosen is None
    assert Router([LOCAL, CLOUD], policy).explain("x", task="creative_writing").chosen is CLOUD


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("rules:\n  - task: {a: local\n", 3, "it is no YAML"),
        ("rules:\n  - length: {}\nrule: []\n", 3, "'rule' is no part"),
        ("rules:\n  - task: {a: local}\n  - lenght: {threshold: 5}\n", 3, "Did you mean 'length'"),
        ("rules:\n  - length:\n      treshold: 5\n", 3, "no setting 'treshold'"),
        ("rules:\n  - length:\n      short: local\n      threshold: -5\n", 4, "threshold is -5"),
        ("rules:\n  - length:\n      threshold: many\n", 3, "threshold is 'many'"),
        ("rules:\n  - length: {}\n  - length: {}\n", 3, "two rules 'length'"),
        ("rules:\n  - length: {}\n    task: {a: local}\n", 2, "a list item of its own"),
        ("rules:\n  - length: {}\n  - complexity: {}\n", 3, "never gets a say"),
        ("rules:\n  - task:\n      a: local\n      a: cloud\n", 4, "'a' already stands in line 3"),
        ("rules:\n  - privacy:\n      tasks: [a]\n  - task:\n      b: local\n      a: cloud\n", 6, "'a' is private"),
        ("rules:\n  - privacy: {detector: mine}\n", 2, "no setting 'detector'"),
        ("rules:\n  - latency\n", 2, "needs more settings"),
        ("rules:\n  - complexity:\n      weights:\n        length: 0.5\n        mood: 0.5\n", 5, "'mood' is no sign"),
        ("rules:\n  - task:\n      a: [local]\n", 3, "should be a valid string"),
        ("rules: 5\n", 1, "a list is expected"),
        ("5\n", 1, "`name: value` is expected"),
        ("fallback:\n  a: [b]\n  b:\n    - c\n    - a\n", 5, "in a circle: a -> b -> a"),
        ("rules: &r\n  - length: {}\nfallback: *r\n", 3, "aliases are not supported"),
    ],
)
def test_a_mistake_is_reported_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    """Whoever writes a policy learns where to look and what to write."""
    with pytest.raises(PolicyError, match=words) as caught:
        load(tmp_path, text)
    assert f"policy.yaml, line {line}" in str(caught.value)


def test_an_unknown_backend_is_reported_with_its_line(tmp_path: Path) -> None:
    """Names are checked when the policy meets the backends."""
    policy = load(tmp_path, "rules:\n  - length:\n      short: local\n      long: mars\n")
    with pytest.raises(PolicyError, match=r"line 4\): no backend is called 'mars'. Choose one of: local, cloud"):
        Router([LOCAL, CLOUD], policy)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    """The error names the file and the cause."""
    with pytest.raises(PolicyError, match=r"none\.yaml\): the file cannot be read: No such file"):
        Policy.load(tmp_path / "none.yaml")


def test_an_empty_file_is_a_policy_without_wishes(tmp_path: Path) -> None:
    """The standing rules apply all the same."""
    assert load(tmp_path, "").decide(Request.of("x", private=True), [CLOUD, LOCAL]).chain == (LOCAL,)
