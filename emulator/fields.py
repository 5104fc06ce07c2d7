"""Reads typed values out of parsed YAML. Every complaint names the field, its value and what is accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emulator.errors import ScenarioError


class Fields:
    """One mapping of a scenario. Ask for each field once, then call :meth:`finish`."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, Mapping):
            raise ScenarioError(f"{where}: must be a mapping, not {value!r}")
        self._values = {str(key): item for key, item in value.items()}
        self._where = where
        self._known: list[str] = []

    def path(self, name: str) -> str:
        """How a complaint calls the field."""
        return f"{self._where}: {name}" if self._where.endswith((".yaml", ".yml")) else f"{self._where}.{name}"

    def _take(self, name: str) -> Any:
        self._known.append(name)
        return self._values.get(name)

    def text(self, name: str, default: str | None = None) -> str:
        """A string. Without a default the field is required."""
        value = self._take(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value:
            raise ScenarioError(f"{self.path(name)}: must be a text, not {value!r}")
        return value

    def choice(self, name: str, accepted: Sequence[str], default: str | None = None) -> str:
        """One of several words."""
        value = self._take(name)
        if value is None and default is not None:
            return default
        if value not in accepted:
            raise ScenarioError(f"{self.path(name)}: must be one of {', '.join(accepted)}, not {value!r}")
        return str(value)

    def integer(self, name: str, least: int, most: int, default: int | None = None) -> int:
        """A whole number within limits."""
        value = self._take(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ScenarioError(f"{self.path(name)}: must be a whole number from {least} to {most}, not {value!r}")
        return value

    def optional_integer(self, name: str, least: int, most: int) -> int | None:
        """A whole number within limits, or nothing."""
        if self._values.get(name) is None:
            self._known.append(name)
            return None
        return self.integer(name, least, most)

    def number(self, name: str, least: float, most: float, default: float | None = None) -> float:
        """A number within limits."""
        value = self._take(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            raise ScenarioError(f"{self.path(name)}: must be a number from {least:g} to {most:g}, not {value!r}")
        return float(value)

    def optional_number(self, name: str, least: float, most: float) -> float | None:
        """A number within limits, or nothing."""
        if self._values.get(name) is None:
            self._known.append(name)
            return None
        return self.number(name, least, most)

    def truth(self, name: str, *, default: bool) -> bool:
        """Either truth value."""
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise ScenarioError(f"{self.path(name)}: must be true or false, not {value!r}")
        return value

    def texts(self, name: str) -> tuple[str, ...] | None:
        """A list of strings, or nothing."""
        value = self._take(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ScenarioError(f"{self.path(name)}: must be a list of texts, not {value!r}")
        return tuple(value)

    def text_mapping(self, name: str) -> dict[str, str]:
        """A mapping of strings to strings, by default empty. Numbers must be quoted, as in Lambda's own API."""
        value = self._take(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise ScenarioError(f"{self.path(name)}: must be a mapping, not {value!r}")
        for key, item in value.items():
            if not isinstance(key, str) or not isinstance(item, str):
                raise ScenarioError(f"{self.path(name)}.{key}: must be a text (quote it), not {item!r}")
        return dict(value)

    def section(self, name: str) -> Fields:
        """A mapping inside this one, by default empty."""
        value = self._take(name)
        return Fields({} if value is None else value, self.path(name))

    def optional_section(self, name: str) -> Fields | None:
        """A mapping inside this one, or nothing."""
        value = self._take(name)
        return None if value is None else Fields(value, self.path(name))

    def sections(self, name: str) -> dict[str, Fields]:
        """A mapping of names to mappings, by default empty."""
        value = self._take(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise ScenarioError(f"{self.path(name)}: must be a mapping, not {value!r}")
        return {str(key): Fields(item, f"{self.path(name)}.{key}") for key, item in value.items()}

    def items(self, name: str) -> list[Fields]:
        """A list of mappings, by default empty."""
        value = self._take(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise ScenarioError(f"{self.path(name)}: must be a list, not {value!r}")
        return [Fields(item, f"{self.path(name)}[{number}]") for number, item in enumerate(value)]

    def anything(self, name: str, default: Any) -> Any:
        """Any value, as YAML gives it."""
        value = self._take(name)
        return default if value is None else value

    def finish(self) -> None:
        """Refuse what nobody asked for."""
        for key in self._values:
            if key not in self._known:
                raise ScenarioError(f"{self.path(key)}: is not known; accepted are {', '.join(self._known)}")
