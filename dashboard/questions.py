"""What is known of the statements of queries/ beside their text: how each is best asked. No Streamlit here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import pandas as pd

from dashboard.charts.frames import OTHERS
from dashboard.timeaxis import Window

MOST_DAYS_AT_A_TIME: Final = 31


@dataclass(frozen=True, slots=True)
class Question:
    """How one statement is asked."""

    of_each: bool = False
    """It says the same of each function, whichever are chosen: it is asked about all, and to choose asks nothing."""
    of_largest: bool = False
    """It adds up all but the largest: of another its rows about all say nothing, so it is asked about the chosen ones
    unless those are known anyway.
    """
    limit: int | None = None
    """Its LIMIT. With so many rows, or where it adds up the smaller ones, one that is not among them may have some."""
    days_at_a_time: int = MOST_DAYS_AT_A_TIME
    """Of so many days it stays well within the memory that a query is given, with hundreds of functions."""
    of_causes: bool = False
    """It reads causes: while the collector's jobs still make those of a time (causes_waiting), nothing is kept."""
    newest: timedelta | None = None
    """Of a longer window it is asked about the parts that reach into its newest so long."""
    reads: timedelta | None = None
    """Of a longer window it reads no more than the newest so long: what is longer has the same answer."""

    def leaves_out(self, rows: pd.DataFrame) -> bool:
        """Whether of some functions its rows about all of them may not tell."""
        return (self.limit is not None and len(rows) >= self.limit) or bool((rows["FunctionName"] == OTHERS).any())

    def read(self, window: Window) -> Window:
        """What of a window it reads."""
        begin = window.begin if self.reads is None else max(window.begin, window.end - self.reads)
        return replace(window, begin=begin)

    def parts(self, window: Window) -> list[Window]:
        """What it is asked about, one after the other: the longest parts of a window that it can be asked about."""
        parts = window.parts(self.days_at_a_time)
        return parts if self.newest is None else [one for one in parts if one.end > window.end - self.newest]


PLAIN: Final = Question()

QUESTIONS: Final[Mapping[str, Question]] = {
    "async_functions": Question(of_each=True, limit=500),
    "async_over_time": Question(of_each=True),
    "cold_start_functions": Question(of_each=True),
    # Spans are sorted by whose they are: of one function they take a fifth of the time of all.
    "cold_start_phases": Question(reads=timedelta(days=1)),
    "concurrency_highest": Question(of_each=True),
    "concurrency_over_time": Question(of_each=True, of_largest=True),
    "concurrency_peaks": Question(of_each=True),
    "configuration_changes": Question(of_each=True, limit=500),
    "cost_functions": Question(of_each=True, limit=1000),
    "fleet_functions": Question(of_each=True),
    "function_limits": Question(of_each=True, limit=200),
    "incidents_of_streams": Question(of_causes=True),
    "incidents_of_throttles": Question(of_causes=True),
    "ingest_coverage": Question(of_each=True, limit=500),
    "ingest_functions": Question(of_each=True),
    "ingest_over_time": Question(of_each=True, of_largest=True),
    "init_by_version": Question(of_each=True),
    "invocations_over_time": Question(of_each=True, of_largest=True),
    "invocations_stopped": Question(days_at_a_time=1, newest=timedelta(days=8)),
    "mapping_funnel": Question(of_each=True, limit=200),
    "mappings_stopped": Question(days_at_a_time=1, newest=timedelta(days=8)),
    "runtime_functions": Question(of_each=True, limit=2000),
    "runtime_versions": Question(of_each=True, limit=2000),
    "scaling_ramp": Question(of_each=True, limit=20),
    "stream_age_over_time": Question(of_each=True),
    "stream_consumers": Question(of_causes=True),
    "stream_shards": Question(of_each=True, limit=200),
    "throttle_episodes": Question(of_causes=True),
    "throttle_holders": Question(of_causes=True),
    "throttles_over_time": Question(of_each=True),
}
"""By the name of a panel; the others are asked just as they are. Each minute of each function is looked at for
``invocations_stopped``, and of each mapping for ``mappings_stopped``, hence of eight days at most."""


def question(name: str) -> Question:
    """How a panel's statement is asked."""
    return QUESTIONS.get(name, PLAIN)
