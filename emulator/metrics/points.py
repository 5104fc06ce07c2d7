"""What CloudWatch publishes: the statistics of one metric, under one set of dimensions, in one minute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from emulator.clock import NS_PER_S

PERIOD_NS: Final = 60 * NS_PER_S

Dimensions = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """One datapoint."""

    metric: str
    dimensions: Dimensions
    start_ns: int
    """Of the minute."""
    count: int
    total: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class MetricStream:
    """Which stream publishes the points, and from where."""

    account_id: str
    region: str
    name: str = "emulated"

    @property
    def arn(self) -> str:
        """The metric stream's ARN."""
        return f"arn:aws:cloudwatch:{self.region}:{self.account_id}:metric-stream/{self.name}"
