"""JSON, read by the interpreter's own C scanner without the ``json`` package around it.

``import json`` takes 10 ms of processor time, nearly all of it for ``re``, which it needs for the blanks at the start
and the end only. The scanner is the one that ``json.loads`` uses; where an interpreter lacks it, ``json`` is used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BLANKS = " \t\n\r"
_CONSTANTS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class _Rules:
    """What the scanner wants to know, as ``json.JSONDecoder`` has it by default."""

    strict = False  # control characters inside strings: a function's log line may have them
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_CONSTANTS.__getitem__)
    memo: dict[str, str] = {}  # noqa: RUF012 - looked up by the scanner, never written


def loads(data: bytes) -> Any:
    """The document in `data`, which is UTF-8.

    Raises:
        ValueError: it is not JSON, or nested deeper than the interpreter's stack.
    """
    text = data.decode("utf-8", "replace").lstrip("\ufeff").strip(_BLANKS)
    try:
        return _scan(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _scan(text: str) -> Any:
    try:
        from _json import make_scanner  # noqa: PLC0415 - has no place before the first GET /next
    except ImportError:
        import json  # noqa: PLC0415 - an interpreter without the C scanner

        return json.loads(text, strict=False)
    try:
        value, end = make_scanner(_Rules)(text, 0)  # type: ignore[arg-type]  # typeshed: only itself
    except (StopIteration, SystemError) as error:
        # A document that is cut off: Python 3.11's scanner looks for json's exception, and json is not loaded here.
        raise ValueError("no JSON value, or not all of it") from error
    if end != len(text):
        raise ValueError(f"more after the JSON value, at {end}")
    return value
