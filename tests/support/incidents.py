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
from datetime import datetime, timedelta
from pathlib import Path

from tests.support.collector import ROOT, running_collector, wait_for_rows

FULL = os.environ.get("LAMBDASCOPE_SOAK") == "1"

SMALL_FLEET = """
functions: 14
days: 0.5
requests_per_s: 0.6
limits: {account_concurrency: 120, unreserved_minimum: 20}
describe:
  - {name: clickstream-consumer, trigger: kinesis, requests_per_s: 2, shards: 4, batch_size: 50,
     batching_window_s: 30, duration_ms: 350, daily_swing: 0.1}
  - {name: ledger-projector, trigger: kinesis, requests_per_s: 1, shards: 2, batch_size: 20, duration_ms: 80,
     daily_swing: 0.1}
  - {name: checkout-api, requests_per_s: 0.2, duration_ms: 120, init_ms: 250, daily_swing: 0.1}
incidents:
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


@contextmanager
def troubled_collector() -> Iterator[Troubled]:
    """A small fleet of half a day; in the soak the one of the example: 300 functions, a week."""
    example = ROOT / "emulator" / "fleet" / "examples" / "incidents.yaml"
    with running_collector() as collector, tempfile.TemporaryDirectory() as scratch:
        small = Path(scratch, "fleet.yaml")
        small.write_text(SMALL_FLEET, encoding="utf-8")
        url = collector.addresses.http_url
        command = [sys.executable, "-m", "emulator.fleet", "--fleet", str(example if FULL else small)]
        run = subprocess.run(
            [*command, "--otlp", url, "--firehose", f"{url}/firehose"],
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
        client.close()
        found = [
            Incident(
                one["kind"], one["function"], datetime.fromisoformat(one["from"]), datetime.fromisoformat(one["to"])
            )
            for one in truth["incidents"]
        ]
        yield Troubled(
            collector.addresses.sql_url,
            {one.kind: one for one in found},
            truth["invocations"],
            truth["throttles"],
            datetime.fromisoformat(truth["from"]),
            datetime.fromisoformat(truth["to"]) + timedelta(minutes=1),
        )
