"""Policies as YAML files: read, checked, and every mistake reported with its line.

    rules:
      - privacy: {tasks: [data_analysis]}
      - task: {code_generation: local, creative_writing: cloud}
      - length: {threshold: 100, short: local, long: cloud}
    fallback:
      cloud: [local]

It knows the names of the rules, and nothing of what they do.
"""

from __future__ import annotations

from dataclasses import fields as dataclass_fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast, get_type_hints

from labkit.errors import PolicyError
from labkit.routing.consistency import Rule
from labkit.routing.document import Document, Place
from labkit.routing.filters import Capability, ContextFit, CostBudget, Health, LatencyTarget, Privacy
from labkit.routing.policy import Policy
from labkit.routing.preferences import Always, ComplexityScore, LengthThreshold, TaskTable

RULES: dict[str, type] = {
    rule.name: rule
    for rule in (
        *(Privacy, Capability, ContextFit, CostBudget, LatencyTarget, Health),
        *(Always, TaskTable, LengthThreshold, ComplexityScore),
    )
}
_PARTS = ("rules", "fallback")
_FROM_PYTHON_ONLY = "detector"


def read_policy(file: Path) -> Policy:
    """Reads a policy.

    Args:
        file: a YAML file.

    Raises:
        PolicyError: it cannot be read, or what it says cannot be used; the error names the line.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise PolicyError(f"the file cannot be read: {cause}. Correct the path.", place=str(file)) from error
    return parse_policy(text, file.name)


def parse_policy(text: str, name: str = "policy") -> Policy:
    """Makes a policy of YAML text.

    Args:
        text: the YAML.
        name: what to call it in errors.

    Raises:
        PolicyError: what it says cannot be used; the error names the line.
    """
    document = Document(text, name)
    content = document.mapping((), document.content)
    for part in content:
        if part not in _PARTS:
            raise document.error(f"{part!r} is no part of a policy. Write rules or fallback.", part)
    rules = [_rule(document, n, item) for n, item in enumerate(document.sequence(("rules",), content.get("rules")))]
    fallback = content.get("fallback")
    return Policy(rules, None if fallback is None else _fallback(document, fallback), document.locate)


def _rule(document: Document, number: int, item: Any) -> Rule:
    entry = {item: {}} if isinstance(item, str) else document.mapping(("rules", number), item)
    if len(entry) != 1:
        raise document.error("each rule stands in a list item of its own. Begin it with a dash.", "rules", number)
    name, fields = next(iter(entry.items()))
    if name not in RULES:
        near = get_close_matches(str(name), RULES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known = ", ".join(RULES)
        raise document.error(f"no rule is called {name!r}.{hint} Choose one of: {known}.", "rules", number, name)
    path = ("rules", number, str(name))
    return _build(document, path, RULES[name], document.mapping(path, {} if fields is None else fields))


def _build(document: Document, path: Place, kind: type, fields: dict[str, Any]) -> Rule:
    inner: Place = ()
    if kind is TaskTable and fields:  # the table is written without the word `table`
        otherwise = {"otherwise": fields.pop("otherwise")} if "otherwise" in fields else {}
        fields, inner = {"table": fields, **otherwise}, ("table",)
    types = get_type_hints(kind)
    known = [field.name for field in dataclass_fields(kind) if field.name != _FROM_PYTHON_ONLY]
    for name in fields:
        if name not in known:
            can = f"It has {', '.join(known)}" if known else "It has none"
            raise document.error(f"the rule {path[-1]!r} has no setting {name!r}. {can}.", *path, name)
    places = {name: path if (name,) == inner else (*path, name) for name in fields}
    values = {name: _checked(document, types[name], value, places[name]) for name, value in fields.items()}
    try:
        return cast("Rule", kind(**values))
    except TypeError as error:
        missing = ", ".join(known)
        raise document.error(f"the rule {path[-1]!r} needs more settings. It has {missing}.", *path) from error
    except PolicyError as error:
        raise document.error(error.detail, *path, *error.path[len(inner) :]) from error


def _checked(document: Document, kind: Any, value: Any, path: Place) -> Any:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = (*path, *first["loc"])
        raise document.error(f"{where[-1]} is {first['input']!r}: {first['msg'].lower()}.", *where) from error


def _fallback(document: Document, content: Any) -> dict[str, list[str]]:
    chains = {}
    for name, after in document.mapping(("fallback",), content).items():
        names = [after] if isinstance(after, str) else document.sequence(("fallback", name), after)
        chains[str(name)] = [str(other) for other in names]
    return chains
