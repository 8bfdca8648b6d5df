"""A YAML document that remembers on which line each of its values stands.

It knows nothing of policies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labkit.errors import PolicyError

if TYPE_CHECKING:
    import yaml

Place = tuple[str | int, ...]


class Document:
    """YAML text as plain Python values, with their lines.

    Args:
        text: the YAML.
        name: what to call it in errors.

    Raises:
        PolicyError: the text is no YAML, names a key twice, or uses aliases.
    """

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._lines: dict[Place, int] = {}
        self._seen: set[int] = set()
        root = self._compose(text)
        self.content: Any = {} if root is None else self._value(root, ())

    def locate(self, path: Place) -> str:
        """Gives the file and line of a place, or of the nearest one around it.

        Args:
            path: keys and list indices from the root.
        """
        while path and path not in self._lines:
            path = path[:-1]
        return f"{self._name}, line {self._lines.get(path, 1)}"

    def error(self, detail: str, *path: str | int) -> PolicyError:
        """Makes the error for a place.

        Args:
            detail: what is wrong there, and how to correct it.
            path: keys and list indices from the root.
        """
        return PolicyError(detail, path, self.locate(path))

    def mapping(self, path: Place, value: Any) -> dict[str, Any]:
        """Makes sure that a value is a mapping.

        Args:
            path: where it stands.
            value: what stands there.
        """
        if isinstance(value, dict):
            return value
        raise self.error(f"`name: value` is expected here, not {value!r}.", *path)

    def sequence(self, path: Place, value: Any) -> list[Any]:
        """Makes sure that a value is a list; nothing counts as an empty one.

        Args:
            path: where it stands.
            value: what stands there.
        """
        if isinstance(value, list) or value is None:
            return value or []
        raise self.error(f"a list is expected here (each item begins with a dash), not {value!r}.", *path)

    def _compose(self, text: str) -> yaml.Node | None:
        import yaml

        try:
            return yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise PolicyError(f"it is no YAML: {error.problem}.", place=f"{self._name}, line {line}") from error
        except yaml.YAMLError as error:
            raise PolicyError(f"it is no YAML: {error}.", place=self._name) from error

    def _value(self, node: yaml.Node, path: Place) -> Any:
        import yaml

        self._lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in self._seen:  # an alias can contain itself
            raise self.error("aliases are not supported. Write the value out.", *path)
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, place)) for place, item in enumerate(node.value)]
        return yaml.SafeLoader("").construct_object(node)

    def _mapping(self, node: yaml.MappingNode, path: Place) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in values:
                where = f"{self._name}, line {line}"
                first = self._lines[(*path, key)]
                raise PolicyError(f"{key!r} already stands in line {first}. Keep one of them.", (*path, key), where)
            self._lines[(*path, key)] = line
            values[key] = self._value(value_node, (*path, key))
        return values
