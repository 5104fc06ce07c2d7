"""A point, and what is wrong with data that is none. Both formats end here."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from collector.cloudwatch.errors import PointError

DEFAULT_PERIOD_S: Final = 60
"""A metric stream carries metrics of one minute unless the point or the registry says something else."""
_END_OF_DATETIME_S: Final = 1 << 32


class Point(NamedTuple):
    """The statistics of one metric under one set of dimensions in one period: a row of lambda_metrics, in its order.

    Attributes:
        dimensions: by name; empty for a region's own figure.
        dimension_set: see :func:`dimension_set`.
        time_s: start of the period, seconds since the epoch.
        sum: None where the delivery did not have it; likewise ``min``, ``max`` and ``sample_count``.
        quantiles: further statistics by CloudWatch's names: ``p99``, ``p99.9``, ``TM(25%:75%)``.
        unit: CloudWatch's name of it, whichever format the point came in.
    """

    namespace: str
    metric_name: str
    dimensions: dict[str, str]
    dimension_set: str
    time_s: int
    period_s: int
    sum: float | None
    min: float | None
    max: float | None
    sample_count: float | None
    quantiles: dict[str, float]
    unit: str
    account_id: str
    region: str


class Reason(enum.StrEnum):
    """Why something in a delivery was put aside: the label of the counter."""

    BAD_ENVELOPE = "bad_envelope"
    """An entry of ``records`` without base64 in ``data``."""
    BAD_JSON = "bad_json"
    BAD_POINT = "bad_point"
    """The format is right and a value is not: no name, a time outside of 1970 to 2106, a number that is not finite."""
    BAD_PROTOBUF = "bad_protobuf"
    TRUNCATED = "truncated_record"
    """The length in front of a message is more than what follows."""
    NOT_A_SUMMARY = "not_a_summary"
    OPENTELEMETRY_0_7 = "opentelemetry_0_7"
    UNKNOWN_FORMAT = "unknown_format"
    BAD_LOGS = "bad_logs"
    """A message of a log subscription that cannot be read, or is not of a Lambda function."""


class Fault(NamedTuple):
    """A piece of a delivery that is not stored.

    Attributes:
        detail: for people.
        data: the piece: a line, a message, or all of a record.
    """

    reason: Reason
    detail: str
    data: bytes


@dataclass(slots=True)
class Reading:
    """What was found in a record.

    Attributes:
        messages: documents or messages that are metrics by their shape, however good: what tells the format.
    """

    points: list[Point] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    messages: int = 0


def dimension_set(dimensions: dict[str, str]) -> str:
    """The names of the dimensions, sorted, with commas between; empty for none.

    The same event is counted under several sets, so that a sum over sets counts it several times.
    """
    return ",".join(sorted(dimensions))


def text(value: Any, name: str) -> str:
    """A string that can be written as UTF-8.

    Raises:
        PointError: naming the field.
    """
    if type(value) is not str:
        raise PointError(f"{name} is not a string")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise PointError(f"{name} has half of a surrogate pair") from None
    return value


def number(value: Any, name: str) -> float:
    """A finite number. NaN would spread into every sum that it is part of.

    Raises:
        PointError: naming the field.
    """
    if type(value) is not float:
        if type(value) is not int:
            raise PointError(f"{name} is not a number")
        try:
            value = float(value)
        except OverflowError:
            raise PointError(f"{name} is larger than a double") from None
    if not math.isfinite(value):
        raise PointError(f"{name} is not finite")
    return float(value)


def time_s(seconds: int) -> int:
    """A time that the column holds.

    Raises:
        PointError: it is before 1970-01-01 00:00:01 or after 2106-02-07.
    """
    if not 0 < seconds < _END_OF_DATETIME_S:
        raise PointError("the time is not between 1970 and 2106")
    return seconds
