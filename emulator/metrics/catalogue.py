"""The metrics of the namespace AWS/Lambda that can be known here: unit, and the dimension sets each is published under.

"Types of metrics for Lambda functions" names the metrics and says in general which dimensions there are; which metric
has which set is what CloudWatch shows. A set is R (none: the region), F (FunctionName), FR (and Resource: a version or
alias, else the function's name), FRE (and ExecutedVersion, through an alias) or E (EventSourceMappingUUID).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NAMESPACE: Final = "AWS/Lambda"


class Unit(StrEnum):
    """CloudWatch's units."""

    COUNT = "Count"
    MILLISECONDS = "Milliseconds"
    NONE = "None"


UCUM: Final = {Unit.COUNT: "{Count}", Unit.MILLISECONDS: "ms", Unit.NONE: "1"}
"""How a metric stream in OpenTelemetry format writes them."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's unit and dimension sets."""

    name: str
    unit: Unit
    sets: frozenset[str]
    adds_up: bool = True
    """Whether the region's figure is made of the functions' samples. Concurrency has one of its own."""


def _metric(name: str, sets: str, unit: Unit = Unit.COUNT, *, adds_up: bool = True) -> Metric:
    return Metric(name, unit, frozenset(sets.split()), adds_up)


METRICS: Final = {
    metric.name: metric
    for metric in (
        _metric("Invocations", "R F FR FRE"),
        _metric("Errors", "R F FR FRE"),
        _metric("Throttles", "R F FR FRE"),
        _metric("ConcurrencyThrottles", "F FR"),
        _metric("Duration", "R F FR FRE", Unit.MILLISECONDS),
        _metric("PostRuntimeExtensionsDuration", "F FR", Unit.MILLISECONDS),
        _metric("ConcurrentExecutions", "R F FR", adds_up=False),
        _metric("UnreservedConcurrentExecutions", "R"),
        _metric("ClaimedAccountConcurrency", "R"),
        _metric("ProvisionedConcurrentExecutions", "FR"),
        _metric("ProvisionedConcurrencyUtilization", "FR", Unit.NONE),
        _metric("ProvisionedConcurrencyInvocations", "FR"),
        _metric("ProvisionedConcurrencySpilloverInvocations", "FR"),
        _metric("IteratorAge", "F FR", Unit.MILLISECONDS),
        _metric("AsyncEventsReceived", "F FR"),
        _metric("AsyncEventsDropped", "F FR"),
        _metric("AsyncEventAge", "F FR", Unit.MILLISECONDS),
        _metric("DeadLetterErrors", "F FR"),
        _metric("DestinationDeliveryFailures", "F FR"),
        _metric("PolledEventCount", "E"),
        _metric("FilteredOutEventCount", "E"),
        _metric("InvokedEventCount", "E"),
        _metric("FailedInvokeEventCount", "E"),
        _metric("DroppedEventCount", "E"),
        _metric("OnFailureDestinationDeliveredEventCount", "E"),
        _metric("DeletedEventCount", "E"),
    )
}
"""By name."""
