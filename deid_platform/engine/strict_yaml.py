"""YAML as declarations are written in it: plain values of bounded size, and no key twice."""

from __future__ import annotations

from typing import Any

import yaml

_MOST_VALUES = 500_000
_DEEPEST = 50


def parse_yaml(text: str) -> Any:
    """The value that a YAML text holds.

    Raises:
        yaml.YAMLError: it is not YAML, is larger or deeper than anybody writes, or gives a key
            twice, of which YAML would keep the last.
    """
    _check_depth(text)
    try:
        value = yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader that refuses doubles
    except (RecursionError, ValueError):
        raise yaml.constructor.ConstructorError(
            problem="a value that is no value: too deep, too long, or a day that there is not"
        ) from None
    _check_size(value)
    return value


def _check_depth(text: str) -> None:
    """Read the nesting alone: the loader recurses in C, where too deep a text ends the process."""
    depth = 0
    for event in yaml.parse(text, _StrictLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise yaml.constructor.ConstructorError(problem="nested deeper than a declaration is")


def _check_size(value: Any) -> None:
    """Count what a value holds, aliases each time: a few of them can stand for millions."""
    waiting, seen = [(value, 0)], 0
    while waiting:
        one, depth = waiting.pop()
        seen += 1
        if seen > _MOST_VALUES or depth > _DEEPEST:
            raise yaml.constructor.ConstructorError(problem="more values than a declaration has")
        if isinstance(one, dict):
            waiting += [(inner, depth + 1) for inner in one.values()]
        elif isinstance(one, list):
            waiting += [(inner, depth + 1) for inner in one]


class _StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(self.construct_object(key_node, deep=True))
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return dict(super().construct_mapping(node, deep=deep))
