"""Small fleets for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from emulator.fields import Fields
from emulator.fleet.config import Fleet, build, parse
from emulator.fleet.facts import Fact
from emulator.fleet.simulation import Minute, Simulation
from emulator.fleet.streams import Traces, TraceStream

START_US = 1_780_272_000_000_000
"""A Monday, midnight UTC: 2026-06-01."""
HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000


def fleet_of(description: dict[str, Any], seed: int = 1) -> Fleet:
    """A fleet of a description as YAML would give it. Without ``functions`` it has those that are described."""
    described = description.get("describe", [])
    return build(parse(Fields({"functions": len(described) or 20, **description}, "fleet.yaml")), seed)


def one_function(
    *incidents: dict[str, Any], hours: float = 1.0, limits: dict[str, Any] | None = None, **function: Any
) -> Fleet:
    """A fleet of one function called ``f``, and the incidents that happen to it."""
    return fleet_of(
        {
            "days": hours / 24,
            "limits": limits or {},
            "describe": [{"name": "f", **function}],
            "incidents": [{"function": "f", **incident} for incident in incidents],
        }
    )


def history(fleet: Fleet, *, with_metrics: bool = False) -> list[Minute]:
    """All its minutes."""
    return list(Simulation(fleet, START_US, with_metrics=with_metrics).minutes())


def facts_of(minutes: Iterable[Minute]) -> list[Fact]:
    """All their facts."""
    return [fact for minute in minutes for fact in minute.facts]


def requests_of(fleet: Fleet, facts: Iterable[Fact], spans_per_request: int = 2000) -> list[Traces]:
    """The requests that facts become."""
    stream = TraceStream(fleet, spans_per_request)
    return [*stream.add(facts), *stream.rest()]


def decoded(requests: Iterable[Traces]) -> Iterator[tuple[dict[str, Any], Span, dict[str, Any]]]:
    """Each span between its resource's attributes and its own."""
    for request in requests:
        message = ExportTraceServiceRequest.FromString(request.body)
        for group in message.resource_spans:
            resource = values(group.resource.attributes)
            for scope in group.scope_spans:
                for span in scope.spans:
                    yield resource, span, values(span.attributes)


def values(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as a dictionary. A key that is there twice fails."""
    found: dict[str, Any] = {}
    for pair in attributes:
        assert pair.key not in found, f"{pair.key} is there twice"
        found[pair.key] = getattr(pair.value, pair.value.WhichOneof("value") or "string_value")
    return found


def digest(text: str, size: int) -> bytes:
    """The rule of docs/span-model.md for ids."""
    return hashlib.sha256(text.encode()).digest()[:size]


def with_seed(fleet: Fleet, seed: int) -> Fleet:
    """The same functions with other dice."""
    return replace(fleet, seed=seed)
