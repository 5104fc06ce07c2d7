"""A replay file: JSON lines with Telemetry API records, and INVOKE and SHUTDOWN events between them."""

from __future__ import annotations

import json
from collections.abc import Iterable
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
        parsed
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1)
        if line.strip() and not line.lstrip().startswith("#")
        for parsed in _parse(line, number, f"replay {path}, line {number}")
    ]
    return [step for _, group in groupby(enumerate(lines), key=_group) for step in _steps([line for _, line in group])]


@dataclass(frozen=True, slots=True)
class Cast:
    """What a file tells of the sandbox that its records are from."""

    function: str
    version: str
    initialization_type: str
    memory_mb: int


def cast(steps: Iterable[Step]) -> Cast:
    """From the first ``platform.initStart`` and ``platform.report``; what they don't tell is as of a plain function."""
    records = [record for step in steps if isinstance(step, Batch) for record in step.records]
    start = _first(records, "platform.initStart")
    metrics = _first(records, "platform.report").get("metrics")
    memory = metrics.get("memorySizeMB") if isinstance(metrics, dict) else None
    return Cast(
        function=_text(start, "functionName", "replayed"),
        version=_text(start, "functionVersion", "$LATEST"),
        initialization_type=_text(start, "initializationType", "on-demand"),
        memory_mb=int(memory) if isinstance(memory, int | float) and memory > 0 else 128,
    )


def _first(records: Iterable[dict[str, Any]], kind: str) -> dict[str, Any]:
    found = (record["record"] for record in records if record["type"] == kind)
    return next((record for record in found if isinstance(record, dict)), {})


def _text(record: dict[str, Any], key: str, default: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) and value else default


def _group(numbered: tuple[int, _Line]) -> tuple[Any, ...]:
    number, line = numbered
    return ("event", number) if line.is_event else ("records", line.at_ms, str(line.batch))


def _steps(lines: list[_Line]) -> list[Step]:
    first = lines[0]
    if first.is_event:
        return [Event(first.at_ms, first.body)]
    return [Batch(first.at_ms, tuple(line.body for line in lines))]


def _parse(text: str, number: int, where: str) -> list[_Line]:
    """One object, or a whole delivery as it was posted: a list of records, which is a batch of its own."""
    try:
        body = json.loads(text)
    except ValueError as error:
        raise StartupError(f"{where}: is not JSON: {error}") from error
    if isinstance(body, list):
        return [_line({"batch": f"line {number}", **item} if isinstance(item, dict) else item, where) for item in body]
    return [_line(body, where)]


def _line(body: Any, where: str) -> _Line:
    if not isinstance(body, dict):
        raise StartupError(f"{where}: must be an object, or a list of objects")
    at_ms, batch = body.pop("deliverAt", None), body.pop("batch", None)
    if at_ms is not None and (isinstance(at_ms, bool) or not isinstance(at_ms, int | float) or at_ms < 0):
        raise StartupError(f"{where}: deliverAt must be a number of milliseconds, not {at_ms!r}")
    if "eventType" in body:
        if body["eventType"] not in (INVOKE, SHUTDOWN):
            raise StartupError(f"{where}: eventType must be INVOKE or SHUTDOWN, not {body['eventType']!r}")
    elif not isinstance(body.get("type"), str) or "record" not in body or "time" not in body:
        raise StartupError(f"{where}: must have time, type and record, or an eventType")
    return _Line(at_ms, batch, body)
