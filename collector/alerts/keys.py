"""Taking a mapping of a YAML file apart, key by key, with an error that names whatever is wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from collector.alerts.errors import RuleFileError

_DURATION: Final = re.compile(r"([0-9]+)\s*(m|h|d)")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_NEEDED: Final = object()


class Keys:
    """A mapping of the file, whose keys are taken one by one; what is left over is an error.

    Attributes:
        where: what the mapping is, for messages; '' is the file itself.
    """

    def __init__(self, where: str, value: object) -> None:
        self.where = where
        if not isinstance(value, dict):
            raise RuleFileError(f"{where or 'the file'}: a mapping is needed, and it is {_kind(value)}")
        self._left: dict[str, Any] = {str(key): one for key, one in value.items()}

    def text(self, key: str, default: object = _NEEDED) -> str:
        """A text; a number will do for one."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._wrong(key, value, "a text")
        return str(value)

    def number(self, key: str, default: float) -> float:
        """A number of 0 or more."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise self._wrong(key, value, "a number of 0 or more")
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def items(self, key: str) -> list[Any]:
        """A list; empty where it is not given."""
        value = self._take(key, [])
        if not isinstance(value, list):
            raise self._wrong(key, value, "a list")
        return value

    def choice(self, key: str, options: Sequence[str], default: str) -> str:
        """One of the options."""
        value = self._take(key, default)
        if value not in options:
            raise self._wrong(key, value, f"one of {', '.join(options)}")
        return str(value)

    def choices(self, key: str, options: Sequence[str]) -> list[str]:
        """Some of the options; all of them where it is not given."""
        chosen = self.items(key)
        for one in chosen:
            if one not in options:
                raise RuleFileError(f"{self.where}: {key}: {one!r} is none of {', '.join(options)}")
        return [one for one in options if one in chosen or not chosen]

    def duration(self, key: str, default: timedelta) -> timedelta:
        """A time such as 5m, 2h or 1d."""
        value = self._take(key, default)
        if isinstance(value, timedelta):
            return value
        match = _DURATION.fullmatch(str(value).strip())
        if match is None:
            raise self._wrong(key, value, "a duration such as 5m, 2h or 1d")
        return int(match[1]) * _UNITS[match[2]]

    def done(self) -> None:
        """Raise where a key is left that nobody has asked for."""
        if self._left:
            raise RuleFileError(f"{self.where or 'the file'}: unknown key {min(self._left)!r}")

    def _take(self, key: str, default: object) -> Any:
        value = self._left.pop(key, default)
        if value is _NEEDED:
            raise RuleFileError(f"{self.where}: {key} is missing")
        return value

    def _wrong(self, key: str, value: object, needed: str) -> RuleFileError:
        where = f"{self.where}: " if self.where else ""
        return RuleFileError(f"{where}{key} is {_kind(value)}, and needs {needed}")


def _kind(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return repr(value)
