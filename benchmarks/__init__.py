"""Repeatable measurements: one module per part, each figure with what it was compared with in the same run."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure with its unit, and the figures that it was compared with in the same run."""

    name: str
    value: float
    unit: str
    against: Mapping[str, float] = field(default_factory=dict)
