"""A replay file: JSON lines with Telemetry API records, and INVOKE and SHUTDOWN events between them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from emulator.errors import StartupError
from emulator.lifecycle.extensions import INVOKE, SHUTDOWN


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one delivery."""

    at_ms: float | None
    """Since every extension has asked for its first event; None: when the step before is done."""
    records: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Event:
    """An INVOKE or SHUTDOWN."""

    at_ms: float | None
    body: dict[str, Any]


Step = Batch | Event


@dataclass(frozen=True, slots=True)
class _Line:
    at_ms: float | None
    batch: Any
    body: dict[str, Any]

    @property
    def is_event(self) -> bool:
        return "eventType" in self.body


def read(path: Path) -> list[Step]:
    """The steps of a file. Records next to one another with the same ``batch`` and ``deliverAt`` go together.

    Raises StartupError that names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"replay {path}: {error}") from error
    lines = [
        _parse(line, f"replay {path}, line {number}")
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    ]
    return [step for _, group in groupby(enumerate(lines), key=_group) for step in _steps([line for _, line in group])]


def _group(numbered: tuple[int, _Line]) -> tuple[Any, ...]:
    number, line = numbered
    return ("event", number) if line.is_event else ("records", line.at_ms, str(line.batch))


def _steps(lines: list[_Line]) -> list[Step]:
    first = lines[0]
    if first.is_event:
        return [Event(first.at_ms, first.body)]
    return [Batch(first.at_ms, tuple(line.body for line in lines))]


def _parse(text: str, where: str) -> _Line:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise StartupError(f"{where}: is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise StartupError(f"{where}: must be an object")
    at_ms, batch = body.pop("deliverAt", None), body.pop("batch", None)
    if at_ms is not None and (isinstance(at_ms, bool) or not isinstance(at_ms, int | float) or at_ms < 0):
        raise StartupError(f"{where}: deliverAt must be a number of milliseconds, not {at_ms!r}")
    if "eventType" in body:
        if body["eventType"] not in (INVOKE, SHUTDOWN):
            raise StartupError(f"{where}: eventType must be INVOKE or SHUTDOWN, not {body['eventType']!r}")
    elif not isinstance(body.get("type"), str) or "record" not in body or "time" not in body:
        raise StartupError(f"{where}: must have time, type and record, or an eventType")
    return _Line(at_ms, batch, body)
