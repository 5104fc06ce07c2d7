"""A collector that holds a fleet with five incidents whose causes are known, made by the emulator's fleet mode."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from tests.support.collector import ROOT, running_collector, wait_for_causes, wait_for_rows

FULL = os.environ.get("LAMBDASCOPE_SOAK") == "1"

SMALL_FLEET = """
functions: 18
days: 0.5
requests_per_s: 0.6
limits: {account_concurrency: 120, unreserved_minimum: 20, scaling_environments: 40}
describe:
  - {name: clickstream-consumer, trigger: kinesis, requests_per_s: 2, shards: 4, batch_size: 50,
     batching_window_s: 30, duration_ms: 350, daily_swing: 0.1}
  - {name: ledger-projector, trigger: kinesis, requests_per_s: 1, shards: 2, batch_size: 20, duration_ms: 80,
     daily_swing: 0.1}
  - {name: checkout-api, requests_per_s: 0.2, duration_ms: 120, init_ms: 250, daily_swing: 0.1}
  - {name: audit-consumer, trigger: dynamodb, requests_per_s: 1, shards: 2, batch_size: 50, duration_ms: 100,
     daily_swing: 0.1}
  - {name: prices-api, requests_per_s: 0.2, duration_ms: 40, daily_swing: 0.1}
  - {name: export-api, requests_per_s: 0.2, duration_ms: 300, daily_swing: 0.1}
  - {name: signup-api, requests_per_s: 0.2, duration_ms: 200, daily_swing: 0.1}
incidents:
  - {kind: reserved_zero, function: signup-api, start_h: 1, for_min: 12}
  - {kind: scaling_rate_limit, function: export-api, start_h: 2, for_min: 5, burst: 90, duration_ms: 3000}
  - {kind: request_rate_limit, function: prices-api, start_h: 6, for_min: 6, reserved: 1, requests_per_s: 20,
     duration_ms: 5}
  - {kind: slow_consumer, function: audit-consumer, start_h: 9.25, for_min: 30, factor: 200}
  - {kind: reserved_limit, function: checkout-api, start_h: 3, for_min: 15, reserved: 3, requests_per_s: 15,
     duration_ms: 400}
  - {kind: poisoned_shard, function: ledger-projector, start_h: 4.5, for_min: 90, shard: 1}
  - {kind: slow_init, start_h: 7, for_min: 150, factor: 6}
  - {kind: account_limit, start_h: 10.25, for_min: 6, requests_per_s: 30, duration_ms: 7000}
  - {kind: paused_mapping, function: clickstream-consumer, start_h: 8, for_min: 60}
"""


@dataclass(frozen=True, slots=True)
class Incident:
    """What went wrong, as the emulator says."""

    kind: str
    function: str
    begin: datetime
    end: datetime
    shows: datetime
    """The minute from which on anything can tell of it: a function that nobody invokes then does not show it yet."""


@dataclass(frozen=True, slots=True)
class Troubled:
    """A running collector and what is known of the fleet that it holds."""

    sql_url: str
    incidents: dict[str, Incident]
    """By kind."""
    invocations: int
    throttles: int
    begin: datetime
    end: datetime

    @property
    def query(self) -> dict[str, str]:
        """The choices that show all of it."""
        return {"range": "custom", "from": f"{self.begin:%Y-%m-%dT%H:%M:%S}Z", "to": f"{self.end:%Y-%m-%dT%H:%M:%S}Z"}


@dataclass(frozen=True, slots=True)
class Described:
    """What to make a fleet of."""

    text: str
    """The YAML of the emulator's fleet mode."""
    seed: int
    end: str = "now"
    """Its last minute. Traffic follows the hour and the weekday: another end makes another fleet."""


OTHER_FLEET = """
functions: 48
days: 1
requests_per_s: 1.5
limits: {account_concurrency: 400, scaling_environments: 60}
incidents:
  - {kind: reserved_zero, start_h: 1.3, for_min: 22}
  - {kind: slow_consumer, start_h: 3.1, for_min: 50, factor: 150}
  - {kind: request_rate_limit, start_h: 6.6, for_min: 12, reserved: 3, requests_per_s: 90, duration_ms: 5}
  - {kind: scaling_rate_limit, start_h: 8.2, for_min: 8, burst: 200, duration_ms: 3000}
  - {kind: slow_init, start_h: 10.4, for_min: 180, factor: 4}
  - {kind: account_limit, start_h: 14.7, for_min: 7, requests_per_s: 80, duration_ms: 8000}
  - {kind: reserved_limit, start_h: 17.2, for_min: 9, reserved: 8, requests_per_s: 40, duration_ms: 500}
  - {kind: poisoned_shard, start_h: 19, for_min: 45, shard: 0}
  - {kind: paused_mapping, start_h: 21.5, for_min: 40}
"""


OTHER_ENDS: Final = ((4, 9, 31), (2, 3, 17), (6, 19, 44), (4, 14, 5), (3, 23, 52))
"""Weekday from Monday, hour and minute: what befalls a function by night, or on Sunday, befalls it otherwise."""


def fleets() -> dict[str, Described]:
    """Half a day with every kind of incident; in the soak the example's week of 300 functions, and days of others."""
    if not FULL:
        return {"small": Described(SMALL_FLEET, 1, _last(2, 12, 0))}
    example = ROOT / "emulator" / "fleet" / "examples" / "incidents.yaml"
    others = {f"other-{number}": Described(OTHER_FLEET, 5, _last(*end)) for number, end in enumerate(OTHER_ENDS)}
    return {"week": Described(example.read_text(encoding="utf-8"), 1), **others}


def _last(weekday: int, hour: int, minute: int) -> str:
    """The same fleet whenever the tests run, and young enough for no retention to take it."""
    now = datetime.now(UTC)
    at = now.replace(hour=hour, minute=minute, second=0, microsecond=0) - timedelta(days=(now.weekday() - weekday) % 7)
    return (at if at <= now else at - timedelta(days=7)).isoformat()


SHOWS: Final = {
    "paused_mapping": ("max(toStartOfMinute(Start, 'UTC')) + 60", "Start < {at:DateTime('UTC')}"),
    "slow_consumer": ("min(toStartOfMinute(Start, 'UTC'))", "Start >= {at:DateTime('UTC')}"),
}
"""SQL; when what shows with an invocation shows. A pause is there from the last one before it on."""


def _incident(client: Client, one: dict[str, Any]) -> Incident:
    begin = shows = datetime.fromisoformat(one["from"])
    if one["kind"] in SHOWS:
        minute, where = SHOWS[one["kind"]]
        query = (
            f"SELECT toUnixTimestamp({minute}) FROM lambda_invocations WHERE FunctionName = {{name:String}} AND {where}"
        )
        rows = client.query(query, parameters={"at": begin.replace(tzinfo=None), "name": one["function"]}).result_rows
        shows = datetime.fromtimestamp(int(rows[0][0]), UTC)
    return Incident(one["kind"], one["function"], begin, datetime.fromisoformat(one["to"]), shows)


@contextmanager
def troubled_collector(fleet: Described) -> Iterator[Troubled]:
    """A collector that holds that fleet."""
    with running_collector("--jobs-every-s", "2") as collector, tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "fleet.yaml")
        file.write_text(fleet.text, encoding="utf-8")
        url = collector.addresses.http_url
        command = [sys.executable, "-m", "emulator.fleet", "--fleet", str(file), "--seed", str(fleet.seed)]
        run = subprocess.run(
            [*command, "--end", fleet.end, "--otlp", url, "--firehose", f"{url}/firehose"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        truth = json.loads(run.stdout.splitlines()[-1])
        client = collector.sql()
        stored = f"SELECT 1 FROM (SELECT count() AS n FROM lambda_invocations) WHERE n >= {truth['invocations']}"
        wait_for_rows(client, stored, 1, within_s=300)
        points = f"SELECT 1 FROM (SELECT count() AS n FROM lambda_metrics) WHERE n >= {truth['metric_points'] - 100}"
        wait_for_rows(client, points, 1, within_s=300)
        wait_for_causes(client)
        found = [_incident(client, one) for one in truth["incidents"]]
        client.close()
        yield Troubled(
            collector.addresses.sql_url,
            {one.kind: one for one in found},
            truth["invocations"],
            truth["throttles"],
            datetime.fromisoformat(truth["from"]),
            datetime.fromisoformat(truth["to"]) + timedelta(minutes=1),
        )
