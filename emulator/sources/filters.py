"""Event filtering: which records and messages an event source mapping invokes the function with.

The rules are those of "Control which events Lambda sends to your function" (filter rule syntax). Patterns are JSON
objects whose leaves are lists of alternatives; a field that a pattern does not name may be anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Filter = Callable[[Mapping[str, Any]], bool]
"""Whether an event, as filters see it, is to be sent."""

_MOST: Final = 10
_ABSENT: Final = object()
_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


def _in_range(bound: Sequence[Any], value: Any) -> bool:
    pairs = zip(bound[::2], bound[1::2], strict=True)
    return _is_number(value) and all(_OPERATORS[operator](value, limit) for operator, limit in pairs)


_RULES: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "prefix": lambda bound, value: isinstance(value, str) and value.startswith(bound),
    "suffix": lambda bound, value: isinstance(value, str) and value.endswith(bound),
    "equals-ignore-case": lambda bound, value: isinstance(value, str) and value.casefold() == bound.casefold(),
    "anything-but": lambda bound, value: value not in (bound if isinstance(bound, list) else [bound]),
    "numeric": _in_range,
}
"""What each says of a value that is there."""


def any_of(patterns: Sequence[Mapping[str, Any]]) -> Filter:
    """A filter of patterns: an event that any of them matches is sent.

    Raises:
        ValueError: more than ten, the highest quota, or one that Lambda's API would refuse; names the place.
    """
    if len(patterns) > _MOST:
        raise ValueError(f"{len(patterns)} patterns; at most {_MOST}")
    for pattern in patterns:
        _check(pattern, "")

    def accepts(event: Mapping[str, Any]) -> bool:
        return any(_matches(pattern, event) for pattern in patterns)

    return accepts


def _check(pattern: Any, where: str) -> None:
    if isinstance(pattern, Mapping):
        if not pattern:
            raise ValueError(f"{where.rstrip('.') or 'the pattern'}: is empty")
        for name, below in pattern.items():
            if name == "$or":
                if not isinstance(below, list) or len(below) < 2:
                    raise ValueError(f"{where}$or: must be a list of at least two patterns")
                for one in below:
                    _check(one, f"{where}$or.")
            else:
                _check(below, f"{where}{name}.")
    elif isinstance(pattern, list) and pattern:
        for rule in pattern:
            _check_rule(rule, where.rstrip("."))
    else:
        raise ValueError(f"{where.rstrip('.')}: must be a list of alternatives, not {pattern!r}")


def _check_rule(rule: Any, where: str) -> None:
    if not isinstance(rule, Mapping):
        return
    if len(rule) != 1 or next(iter(rule)) not in (*_RULES, "exists"):
        raise ValueError(f"{where}: must be one of {', '.join(_RULES)}, exists, not {dict(rule)!r}")
    name, bound = next(iter(rule.items()))
    if name == "numeric" and not _is_numeric(bound):
        raise ValueError(f"{where}: numeric takes pairs of an operator ({' '.join(_OPERATORS)}) and a number")
    if name == "anything-but" and isinstance(bound, Mapping):
        raise ValueError(f"{where}: anything-but takes a value or a list of values")
    if name == "exists" and not isinstance(bound, bool):
        raise ValueError(f"{where}: exists is true or false")
    if name in ("prefix", "suffix", "equals-ignore-case") and not isinstance(bound, str):
        raise ValueError(f"{where}: {name} takes a text")


def _is_numeric(bound: Any) -> bool:
    if not isinstance(bound, list) or not bound or len(bound) % 2:
        return False
    return all(one in _OPERATORS for one in bound[::2]) and all(_is_number(one) for one in bound[1::2])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _matches(pattern: Mapping[str, Any], event: Any) -> bool:
    fields: Mapping[str, Any] = event if isinstance(event, Mapping) else {}
    for name, below in pattern.items():
        if name == "$or":
            if not any(_matches(one, event) for one in below):
                return False
        elif isinstance(below, Mapping):
            if not _matches(below, fields.get(name)):
                return False
        elif not _leaf(below, fields.get(name, _ABSENT)):
            return False
    return True


def _leaf(rules: Sequence[Any], value: Any) -> bool:
    """Of a value that is a list, one element is enough."""
    values = value if isinstance(value, list) else [value]
    return any(_rule(rule, one) for rule in rules for one in values)


def _rule(rule: Any, value: Any) -> bool:
    if not isinstance(rule, Mapping):
        return value is not _ABSENT and isinstance(rule, bool) is isinstance(value, bool) and bool(rule == value)
    name, bound = next(iter(rule.items()))
    if name == "exists":
        return bool(bound) is (value is not _ABSENT)
    return value is not _ABSENT and _RULES[name](bound, value)
