"""The sums that hold in Lambda's own records ("Lambda Telemetry API Event schema reference"; real samples agree)."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

Record = dict[str, Any]
_TIME_MS = 1.001
"""Times are cut to whole milliseconds."""


def check(stream: Sequence[Record], *, is_init_free: bool = False, spans_within_ms: float = 0.01) -> Counter[str]:
    """Assert every sum in the records of one sandbox. Returns how often each was looked at.

    Init is billed on demand since August 2025. The spans of real records miss some tenths of a millisecond.
    """
    looked: Counter[str] = Counter()
    open_spans: dict[str, Record] = {}
    for event in stream:
        kind, record = event["type"], event["record"]
        match kind.partition(".")[2]:
            case "initStart" | "restoreStart":
                open_spans[kind.removesuffix("Start")] = event
            case "start":
                open_spans[record["requestId"]] = event
            case "initReport" | "restoreReport":
                _check_end(open_spans[kind.removesuffix("Report")], event)
                looked[kind] += 1
            case "runtimeDone":
                _check_end(open_spans[record["requestId"]], event)
                looked["spans"] += _check_spans(record, spans_within_ms)
                looked[kind] += 1
            case "report":
                if open_spans[record["requestId"]]["record"].get("functionArn") is None:
                    _check_bill(event, is_init_free=is_init_free)
                    looked["bill"] += 1
                else:
                    _check_end(open_spans[record["requestId"]], event)
                looked[kind] += 1
    return looked


def _check_end(start: Record, end: Record) -> None:
    """``start.time + durationMs = end.time``."""
    duration_ms = end["record"]["metrics"]["durationMs"]
    passed_ms = (_time(end) - _time(start)) / dt.timedelta(milliseconds=1)
    assert abs(passed_ms - duration_ms) <= _TIME_MS, (start, end)


def _check_spans(record: Record, within_ms: float) -> bool:
    """``responseLatency + responseDuration + runtimeOverhead ≈ durationMs``."""
    if "spans" not in record:
        assert record["status"] != "success", record
        return False
    total_ms = sum(span["durationMs"] for span in record["spans"])
    assert [span["name"] for span in record["spans"]] == ["responseLatency", "responseDuration", "runtimeOverhead"]
    assert abs(total_ms - record["metrics"]["durationMs"]) <= within_ms, record
    return True


def _check_bill(event: Record, *, is_init_free: bool) -> None:
    """``billedDurationMs = ceil(durationMs + initDurationMs + billedRestoreDurationMs)``."""
    metrics = event["record"]["metrics"]
    names = ["durationMs", "billedRestoreDurationMs", *([] if is_init_free else ["initDurationMs"])]
    parts = [metrics.get(name, 0) for name in names]
    assert metrics["billedDurationMs"] == math.ceil(round(sum(parts), 3)), event


def _time(event: Record) -> dt.datetime:
    return dt.datetime.fromisoformat(event["time"])
