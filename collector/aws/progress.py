"""How far each job has come, in lambda_poller_state: what survives a restart, and a change of host."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from collector.otlp.batch import Rows, TableLayout

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from collector.store.inserter import Store

STATE: Final = TableLayout(
    "lambda_poller_state",
    (
        ("Job", "LowCardinality(String)"),
        ("AccountId", "LowCardinality(String)"),
        ("Region", "LowCardinality(String)"),
        ("Since", "DateTime"),
        ("Through", "DateTime"),
        ("Requests", "UInt64"),
        ("MetricsRequested", "UInt64"),
        ("Points", "UInt64"),
        ("Trouble", "String"),
        ("UpdatedAt", "DateTime64(3)"),
    ),
)


@dataclass(frozen=True, slots=True)
class Progress:
    """Of one job in one account and region. Times are seconds since the epoch; 0: it has not begun."""

    job: str
    account_id: str
    region: str
    since_s: int = 0
    through_s: int = 0
    requests: int = 0
    metrics_requested: int = 0
    points: int = 0
    trouble: str = ""

    def advanced(self, *, requests: int = 0, metrics_requested: int = 0, points: int = 0) -> Progress:
        """With more work counted, and without the trouble that there was."""
        return replace(
            self,
            requests=self.requests + requests,
            metrics_requested=self.metrics_requested + metrics_requested,
            points=self.points + points,
            trouble="",
        )


def read(client: Client, job: str, account_id: str, region: str) -> Progress:
    """The newest that was written; one that has not begun where there is none. Blocking."""
    rows = client.query(
        "SELECT toUnixTimestamp(Since), toUnixTimestamp(Through), Requests, MetricsRequested, Points, Trouble "
        "FROM lambda_poller_state "
        "WHERE Job = {job:String} AND AccountId = {account:String} AND Region = {region:String} "
        "ORDER BY UpdatedAt DESC LIMIT 1",
        parameters={"job": job, "account": account_id, "region": region},
    ).result_rows
    if not rows:
        return Progress(job, account_id, region)
    since_s, through_s, requests, metrics_requested, points = (int(figure) for figure in rows[0][:5])
    trouble = str(rows[0][5])
    return Progress(job, account_id, region, since_s, through_s, requests, metrics_requested, points, trouble)


def write(store: Store, progress: Progress, now_ms: int) -> None:
    """Store it. Blocking. Raises StoreError."""
    rows = Rows(STATE)
    rows.append(
        progress.job,
        progress.account_id,
        progress.region,
        progress.since_s,
        progress.through_s,
        progress.requests,
        progress.metrics_requested,
        progress.points,
        progress.trouble,
        datetime.fromtimestamp(now_ms / 1000, UTC),
    )
    store.insert(rows, f"poller-{progress.job}-{progress.account_id}-{progress.region}-{now_ms}")
