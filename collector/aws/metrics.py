"""CloudWatch's points by GetMetricData, for accounts without a metric stream."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from collector.aws import progress, series
from collector.aws.configuration import time_of
from collector.aws.errors import AwsError
from collector.cloudwatch import spooled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clickhouse_connect.driver.client import Client

    from collector.aws.config import MetricsConfig
    from collector.aws.progress import Progress
    from collector.aws.series import Query, Series, Window
    from collector.aws.sessions import Place
    from collector.store.inserter import Store

log = logging.getLogger(__name__)

JOB: Final = "metrics"
BACKFILL: Final = "backfill"
_NEW_FOR_S: Final = 3 * 3600
"""ListMetrics shows a metric up to 15 minutes after its first point; asked for as long as it calls metrics recent."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a request, or several, brought."""

    requests: int = 0
    metrics_requested: int = 0
    points: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.requests + other.requests,
            self.metrics_requested + other.metrics_requested,
            self.points + other.points,
        )


class MetricsPoller:
    """Asks one account and region for its points. Blocking, and used from one thread.

    Nothing is remembered but in ClickHouse: what has been read counts only after it is stored, so whatever is cut short
    is read again, and what is read twice replaces itself.
    """

    def __init__(self, place: Place, config: MetricsConfig, client: Client, store: Store) -> None:
        self._place = place
        self._config = config
        self._client = client
        self._store = store

    def run(self, now_s: int, say: Callable[[str], None]) -> Progress:
        """One poll; the first one goes back as far as the configuration says.

        Args:
            now_s: seconds since the epoch.
            say: told how the back-fill goes on, and its cost before it starts.

        Raises:
            AwsError: AWS did not answer; what was stored before stays, and its progress says so.
            StoreError: ClickHouse did not take it.
        """
        place = self._place
        state = progress.read(self._client, JOB, place.account_id, place.region)
        found = self._discover(now_s)
        if not state.through_s:
            start_s = (now_s - self._config.settle_s) // series.MINUTE_S * series.MINUTE_S
            state = replace(state, since_s=start_s, through_s=start_s)
        window = series.due(state.through_s, now_s, self._config)
        if window is not None:
            counts = self._read(series.queries(found, self._config), window)
            state = replace(state, through_s=window.end_s).advanced(
                requests=counts.requests, metrics_requested=counts.metrics_requested, points=counts.points
            )
            progress.write(self._store, state, now_s * 1000)
        if self._config.backfill_h:
            self._backfill(state.since_s, now_s, say)
        return state

    def _discover(self, now_s: int) -> list[Series]:
        """By ListMetrics and ListFunctions; never by tags, which not every function has."""
        place = self._place
        metrics = list(self._listed(RecentlyActive="PT3H"))
        try:
            functions = list(place.pages("lambda", "list_functions", "Functions"))
        except AwsError as error:
            log.warning("aws: %s: functions that are new to CloudWatch are not seen: %s", place.region, error)
            functions = []
        known = {
            dimension["Value"]
            for metric in metrics
            for dimension in metric.get("Dimensions", [])
            if dimension["Name"] == "FunctionName"
        }
        new = [
            str(one["FunctionName"])
            for one in functions
            if one["FunctionName"] not in known and _modified_s(one) > now_s - _NEW_FOR_S
        ]
        return series.discovered(metrics, new, self._config)

    def _listed(self, **which: str) -> Iterator[dict[str, Any]]:
        return self._place.pages("cloudwatch", "list_metrics", "Metrics", Namespace=series.NAMESPACE, **which)

    def _read(self, wanted: Sequence[Query], window: Window) -> Counts:
        """Ask for a window and store it, batch by batch."""
        total = Counts()
        place = self._place
        for number, batch in enumerate(series.batches(wanted, window)):
            before = place.calls
            results: list[dict[str, Any]] = list(
                place.pages("cloudwatch", "get_metric_data", "MetricDataResults", **series.request(batch, window))
            )
            found = series.points(batch, results, window.period_s, place.account_id, place.region)
            calls = place.calls - before
            if found:
                body = spooled.encode(found, window.end_s * 1_000_000_000)
                token = f"poll-{place.account_id}-{place.region}-{window.start_s}-{number}-{_hash_of(body)}"
                self._store.insert(spooled.rows([body]), token)
            total += Counts(calls, calls * len(batch), len(found))
        return total

    def _backfill(self, since_s: int, now_s: int, say: Callable[[str], None]) -> None:
        place, config = self._place, self._config
        state = progress.read(self._client, BACKFILL, place.account_id, place.region)
        if not state.since_s:  # to where the ordinary polls began
            target_s = int(since_s - config.backfill_h * 3600)
            state = replace(state, since_s=target_s, through_s=since_s)
        windows = series.backfill(state.since_s, state.through_s, now_s)
        if not windows:
            return
        # What has rested for hours has a past all the same: all that CloudWatch lists, which is of the last two weeks.
        found = series.discovered(list(self._listed()), [], config)
        wanted = series.queries(found, config)
        metrics = sum(len(batch) for window in windows for batch in series.batches(wanted, window))
        say(
            f"back-fill of {place.account_id} {place.region}: {len(windows)} days or parts of one, {len(wanted)} "
            f"statistics of {len(found)} metrics: {metrics} metrics requested, about "
            f"${series.cost_usd(metrics, config):.2f}"
        )
        for number, window in enumerate(windows, 1):
            counts = self._read(wanted, window)
            # Backwards: `through` is the start of what has been read.
            state = replace(state, through_s=window.start_s).advanced(
                requests=counts.requests, metrics_requested=counts.metrics_requested, points=counts.points
            )
            progress.write(self._store, state, now_s * 1000 + number)
            say(
                f"back-fill of {place.account_id} {place.region}: {number} of {len(windows)}, {state.points} points, "
                f"${series.cost_usd(state.metrics_requested, config):.2f} so far"
            )


def _hash_of(body: bytes) -> str:
    """Tells two answers for one window apart: the later one has changed, and must be stored too."""
    return hashlib.sha256(body).hexdigest()[:16]


def _modified_s(function: dict[str, Any]) -> float:
    at = time_of(function.get("LastModified"))
    return at.timestamp() if at else 0.0
