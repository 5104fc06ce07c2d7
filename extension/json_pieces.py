"""JSON of which a piece is there: as much of it as can be read. Pure, and without ``re``, whose import costs 10 ms."""

from __future__ import annotations

from extension.json_reader import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CLOSING = {"{": "}", "[": "]"}
_MOST_DEPTH = 64


def read_beginning(text: str) -> Any:
    """The first value in `text`, which may be cut off anywhere or go on behind it: without what is not whole.

    None where there is no object or list.
    """
    cut = _readable(text)
    try:
        return loads(cut.encode("utf-8", "surrogatepass")) if cut else None
    except ValueError:
        return None


def _readable(text: str) -> str:
    """The beginning of `text` up to the last whole member, with the brackets closed that are open there."""
    closing: list[str] = []
    cut, closers = 0, ""
    at = 0
    while at < len(text):
        char = text[at]
        if char == '"':
            at = _end_of_string(text, at)
            if at < 0:
                break
        elif char in _CLOSING:
            closing.append(_CLOSING[char])
            if len(closing) > _MOST_DEPTH:
                break
            cut, closers = at + 1, "".join(reversed(closing))
        elif char in "}]":
            if not closing or closing.pop() != char:
                break
            if not closing:
                return text[: at + 1]
            cut, closers = at + 1, "".join(reversed(closing))
        elif char == ",":
            cut, closers = at, "".join(reversed(closing))
        at += 1
    return text[:cut] + closers


def _end_of_string(text: str, at: int) -> int:
    """Where the string that begins at `at` ends; -1 where it does not."""
    while True:
        at = text.find('"', at + 1)
        if at < 0:
            return -1
        before = at
        while text[before - 1] == "\\":
            before -= 1
        if (at - before) % 2 == 0:
            return at


def last_text(text: str, name: str) -> str | None:
    """The value of the last member of this name in `text`, where it is a string without escapes."""
    at = _after_name(text, name)
    if at < 0 or text[at : at + 1] != '"':
        return None
    end = text.find('"', at + 1)
    value = text[at + 1 : end]
    return value if end > 0 and "\\" not in value else None


def last_number(text: str, name: str) -> float | None:
    """The value of the last member of this name in `text`, where it is a number that ends there."""
    at = _after_name(text, name)
    end = at
    while 0 <= end < len(text) and text[end] in "0123456789.eE+-":
        end += 1
    if at < 0 or end == len(text):
        return None
    try:
        return float(text[at:end])
    except ValueError:
        return None


def _after_name(text: str, name: str) -> int:
    """Where the value of the last member of this name begins; -1 where there is none."""
    at = text.rfind(f'"{name}"')
    if at < 0:
        return -1
    at += len(name) + 2
    while text[at : at + 1] in {" ", "\t", "\n", "\r"}:
        at += 1
    if text[at : at + 1] != ":":
        return -1
    at += 1
    while text[at : at + 1] in {" ", "\t", "\n", "\r"}:
        at += 1
    return at
