"""Whether a policy makes sense: no contradictions, no circles, no unknown names.

It checks a policy once, when it is made. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from labkit.errors import PolicyError
from labkit.routing.filters import Filter, Privacy
from labkit.routing.preferences import Preference, TaskTable

Rule = Filter | Preference
Place = tuple[str | int, ...]
Locate = Callable[[Place], str | None]

SIDES = ("local", "cloud")


def nowhere(path: Place) -> str | None:
    """Gives no line: the policy was written in Python."""
    return None


def check_rules(rules: Sequence[Rule], locate: Locate) -> None:
    """Refuses rules that contradict each other.

    Args:
        rules: in the order in which their wishes count.
        locate: gives the file and line of a place in the policy.

    Raises:
        PolicyError: a rule stands there twice, can never decide, or sends private tasks to the cloud.
    """
    seen: set[str] = set()
    decided = None
    for number, rule in enumerate(rules):
        path = ("rules", number, rule.name)
        if rule.name in seen:
            raise _error(locate, f"there are two rules {rule.name!r}. Keep one of them.", *path)
        seen.add(rule.name)
        if isinstance(rule, Preference):
            if decided:
                raise _error(
                    locate,
                    f"the rule {rule.name!r} never gets a say, because {decided!r} before it always decides. "
                    f"Swap the two, or leave one target of {decided!r} empty.",
                    *path,
                )
            decided = rule.name if rule.always_decides else None
    _check_private_tasks(rules, locate)


def check_fallback(fallback: Mapping[str, Sequence[str]], locate: Locate) -> None:
    """Refuses fallbacks that go in a circle.

    Args:
        fallback: whom to ask when a backend fails, by its name.
        locate: gives the file and line of a place in the policy.

    Raises:
        PolicyError: a backend falls back on itself, directly or through others.
    """

    def walk(way: tuple[str, ...]) -> None:
        for place, name in enumerate(fallback.get(way[-1], ())):
            if name in way:
                circle = " -> ".join((*way[way.index(name) :], name))
                detail = f"the fallbacks go in a circle: {circle}. Take one of these steps out."
                raise _error(locate, detail, "fallback", way[-1], place)
            walk((*way, name))

    for start in fallback:
        walk((start,))


def check_names(
    rules: Sequence[Rule], fallback: Mapping[str, Sequence[str]], names: Sequence[str], locate: Locate
) -> None:
    """Refuses names that no backend has.

    Args:
        rules: the rules, whose targets are names.
        fallback: whom to ask when a backend fails, by its name.
        names: the names of the backends.
        locate: gives the file and line of a place in the policy.

    Raises:
        PolicyError: a name is unknown, or two backends share one.
    """
    if doubled := [name for name in names if names.count(name) > 1]:
        raise PolicyError(f"two backends are called {doubled[0]!r}. Give each a name of its own.")
    known = [*names, *(side for side in SIDES if side not in names)]
    for path, name in [*_targets(rules), *_steps(fallback)]:
        if name not in known:
            raise _error(locate, f"no backend is called {name!r}. Choose one of: {', '.join(known)}.", *path)


def _targets(rules: Sequence[Rule]) -> Iterator[tuple[Place, str]]:
    for number, rule in enumerate(rules):
        if isinstance(rule, Preference):
            for path, target in rule.targets.items():
                yield ("rules", number, rule.name, *path), target


def _steps(fallback: Mapping[str, Sequence[str]]) -> Iterator[tuple[Place, str]]:
    for name, after in fallback.items():
        yield ("fallback", name), name
        for place, other in enumerate(after):
            yield ("fallback", name, place), other


def _check_private_tasks(rules: Sequence[Rule], locate: Locate) -> None:
    private = frozenset[str]().union(*(rule.tasks for rule in rules if isinstance(rule, Privacy)))
    for number, rule in enumerate(rules):
        for task, target in rule.table.items() if isinstance(rule, TaskTable) else ():
            if task in private and target == "cloud":
                detail = f"the task {task!r} is private, and the table sends it to the cloud. Take one of the two back."
                raise _error(locate, detail, "rules", number, rule.name, task)


def _error(locate: Locate, detail: str, *path: str | int) -> PolicyError:
    return PolicyError(detail, path, locate(path))
