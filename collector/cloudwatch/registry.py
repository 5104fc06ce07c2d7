"""What each metric means: registry.tsv as records, and as the view lambda_metric_registry.

``python -m collector.cloudwatch.registry > collector/schema/0010_lambda_metric_registry.sql`` writes the view anew
after a change of the data; a test compares the two.
"""

from __future__ import annotations

import csv
import enum
import re
import sys
from dataclasses import dataclass
from importlib import resources
from typing import Final

_FILE: Final = resources.files("collector").joinpath("cloudwatch", "registry.tsv")
_NO_DIMENSIONS: Final = "-"


class Missing(enum.StrEnum):
    """What it means that there is no point although points of others were delivered."""

    IDLE = "idle"
    """Nothing ran: there is no value, and it is not 0."""
    ZERO = "zero"
    """It is published only when it happens: 0."""
    OFF = "off"
    """It is published as 0 too, so the mapping does not poll, or this group of its metrics is switched off."""


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """How one metric is to be read.

    Attributes:
        statistic: the one to show: Sum, Average, Maximum.
        other_statistics: further ones that have a meaning.
        dimension_sets: texts as in lambda_metrics.DimensionSet; exactly one is to be chosen in a query.
        period_s: between points.
        delay_s: from the end of a period until its points are expected.
        settled_after_s: from the end of a period until its points do not change any more. Points of invocations are
            stamped with the start, so one of 15 minutes changes a period that is long over.
        opt_in: the group that must be switched on for an event source mapping; empty where none is needed.
    """

    namespace: str
    metric_name: str
    statistic: str
    other_statistics: tuple[str, ...]
    dimension_sets: tuple[str, ...]
    unit: str
    period_s: int
    delay_s: int
    settled_after_s: int
    missing: Missing
    opt_in: str
    note: str


def parse(content: str) -> tuple[MetricInfo, ...]:
    """The records of the data file's text."""
    lines = [line for line in content.splitlines() if not line.startswith("#")]
    return tuple(
        MetricInfo(
            row["namespace"],
            row["metric_name"],
            row["statistic"],
            tuple(filter(None, row["other_statistics"].split(";"))),
            tuple(names.replace(_NO_DIMENSIONS, "") for names in row["dimension_sets"].split(";")),
            row["unit"],
            int(row["period_s"]),
            int(row["delay_s"]),
            int(row["settled_after_s"]),
            Missing(row["missing"]),
            row["opt_in"],
            row["note"],
        )
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    )


def _as_of(content: str) -> str:
    match = re.search(r"as of ([0-9]{4}-[0-9]{2}-[0-9]{2})", content)
    if match is None:
        raise ValueError("registry.tsv has no date")
    return match[1]


_CONTENT: Final = _FILE.read_text(encoding="utf-8")
AS_OF: Final = _as_of(_CONTENT)
"""Date of the data."""
METRICS: Final = parse(_CONTENT)
"""All metrics, in the file's order."""
PERIODS_S: Final = {(metric.namespace, metric.metric_name): metric.period_s for metric in METRICS}
"""Length of the period by namespace and name, for points that do not say it."""


def view_sql() -> str:
    """The migration that has the data as a view."""
    rows = ",\n".join(f"    ({_row(metric)})" for metric in METRICS)
    return f"""\
-- How each metric of CloudWatch is to be read. Made from collector/cloudwatch/registry.tsv; change that.
CREATE OR REPLACE VIEW lambda_metric_registry AS
SELECT *, toDate('{AS_OF}') AS AsOf
FROM values(
    'Namespace String, MetricName String, Statistic String, OtherStatistics Array(String), DimensionSets Array(String),
    Unit String, PeriodS UInt32, DelayS UInt32, SettledAfterS UInt32, Missing String, OptIn String, Note String',
{rows});
"""  # noqa: S608  # our own data, quoted


def _row(metric: MetricInfo) -> str:
    return ", ".join(
        (
            _quoted(metric.namespace),
            _quoted(metric.metric_name),
            _quoted(metric.statistic),
            _array(metric.other_statistics),
            _array(metric.dimension_sets),
            _quoted(metric.unit),
            str(metric.period_s),
            str(metric.delay_s),
            str(metric.settled_after_s),
            _quoted(metric.missing.value),
            _quoted(metric.opt_in),
            _quoted(metric.note),
        )
    )


def _array(items: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_quoted, items))}]"


def _quoted(content: str) -> str:
    escaped = content.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


if __name__ == "__main__":
    sys.stdout.write(view_sql())
