"""What /firehose counts, beside the counters that every signal has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from collector.cloudwatch.point import Reason

_PREFIX: Final = "lambdascope_collector_firehose_"


@dataclass(slots=True)
class FirehoseCounters:
    """Running totals since the start, of deliveries that were answered with 200.

    Attributes:
        records: records in them.
        faults: pieces that were put aside, by reason.
        dropped_faults: of those, pieces that the quarantine had no room for.
    """

    records: int = 0
    faults: dict[Reason, int] = field(default_factory=lambda: dict.fromkeys(Reason, 0))
    dropped_faults: int = 0

    def prometheus_text(self) -> str:
        """Lines of /metrics."""
        lines = [
            f"# HELP {_PREFIX}records_total Records of deliveries that were acknowledged.\n",
            f"# TYPE {_PREFIX}records_total counter\n",
            f"{_PREFIX}records_total {self.records}\n",
            f"# HELP {_PREFIX}faults_total Pieces of deliveries that cannot be stored, by reason.\n",
            f"# TYPE {_PREFIX}faults_total counter\n",
            *(f'{_PREFIX}faults_total{{reason="{reason.value}"}} {count}\n' for reason, count in self.faults.items()),
            f"# HELP {_PREFIX}dropped_faults_total Of those, pieces that the quarantine had no room for.\n",
            f"# TYPE {_PREFIX}dropped_faults_total counter\n",
            f"{_PREFIX}dropped_faults_total {self.dropped_faults}\n",
        ]
        return "".join(lines)
