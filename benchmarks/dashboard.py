"""The dashboard in Chromium over a fleet of 300 functions and a week with five incidents.

First paint is from navigation to the last panel, with a warm server and browser cache; what it took cold is beside it.
An interaction is a choice of a function, or to take it back, until the page is complete. To make and load the fleet
takes a quarter of an hour, which is printed and not judged, so the store is kept in build/bench for the next run.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from playwright.sync_api import Page as Tab

from benchmarks import Measurement
from dashboard.pages import PAGES, page
from deploy.local.browser import READY, browser, open_page, settle
from tests.support.collector import ROOT, running_collector, wait_for_rows
from tests.support.dashboard import running_dashboard

FLEET: Final = ROOT / "emulator" / "fleet" / "examples" / "incidents.yaml"
FOLDER: Final = ROOT / "build" / "bench" / "dashboard"
SQL_TIMEOUT_S: Final = "120"
OPEN_WITHIN_S: Final = 240.0
RUNS: Final = 3
INTERACTIONS_FROM: Final = ("fleet", "concurrency", "throttles", "streams", "cold_starts", "cost")


def measure() -> Iterator[Measurement]:
    """Load the fleet where it is not there, open every page cold and warm, then use the bar of filters."""
    truth = _loaded()
    query = _whole(truth)
    function = str(truth["incidents"][0]["function"])
    with (
        running_collector(data=FOLDER / "data") as collector,
        running_dashboard(collector.addresses.sql_url, {"LAMBDASCOPE_SQL_TIMEOUT_S": SQL_TIMEOUT_S}) as url,
        browser() as context,
    ):
        tab = context.new_page()
        tab.set_default_timeout(OPEN_WITHIN_S * 1000)
        cold: dict[str, float] = {}
        warm: dict[str, float] = {}
        for one in PAGES:
            chosen = [*query.items(), *([("function", function)] if one.name == "function" else [])]
            took = [open_page(tab, url, one, query=chosen, timeout_s=OPEN_WITHIN_S).paint_ms for _ in range(1 + RUNS)]
            cold[f"{one.name}, cold"] = took[0]
            warm[one.name] = statistics.median(took[1:])
            print(f"dashboard: {one.name} {took[0]:.0f} ms cold, {warm[one.name]:.0f} ms", file=sys.stderr, flush=True)
        yield Measurement("dashboard.first_paint_ms_max", max(warm.values()), "ms", {**warm, **cold})
        acted = {name: _interaction_ms(tab, url, name, query, function) for name in INTERACTIONS_FROM}
        yield Measurement("dashboard.interaction_ms_max", max(acted.values()), "ms", acted)


def _interaction_ms(tab: Tab, url: str, name: str, query: Mapping[str, str], function: str) -> float:
    """The longer of choosing a function and taking it back."""
    open_page(tab, url, page(name), query=list(query.items()), timeout_s=OPEN_WITHIN_S)

    def choose() -> None:
        box = tab.get_by_role("combobox", name="Functions")
        box.fill(function)
        tab.get_by_role("option", name=function, exact=True).click()

    def take_back() -> None:
        tab.get_by_role("combobox", name="Functions").press("Backspace")

    return max(_until_complete_ms(tab, name, choose), _until_complete_ms(tab, name, take_back))


def _until_complete_ms(tab: Tab, name: str, act: Callable[[], None]) -> float:
    before = tab.locator(READY.format(page=name)).get_attribute("data-run")
    began = time.monotonic()
    act()
    tab.wait_for_selector(f"{READY.format(page=name)}:not([data-run='{before}'])", state="attached")
    settle(tab, OPEN_WITHIN_S)
    return round((time.monotonic() - began) * 1000, 1)


def _whole(truth: Mapping[str, Any]) -> dict[str, str]:
    end = datetime.fromisoformat(truth["to"]) + timedelta(minutes=1)
    return {"range": "custom", "from": truth["from"], "to": f"{end:%Y-%m-%dT%H:%M:%SZ}"}


def _loaded() -> dict[str, Any]:
    """The truth about the fleet, once a collector holds all of it."""
    done = FOLDER / "truth.json"
    if not done.exists():
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        began = time.monotonic()
        with running_collector(data=FOLDER / "data") as collector:
            truth = _send(collector.addresses.http_url)
            stored = f"SELECT 1 FROM (SELECT count() AS n FROM lambda_invocations) WHERE n >= {truth['invocations']}"
            wait_for_rows(collector.sql(), stored, 1, within_s=300)
        done.write_text(json.dumps(truth), encoding="utf-8")
        print(f"dashboard: loaded in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return dict(json.loads(done.read_text(encoding="utf-8")))


def _send(url: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "emulator.fleet", "--fleet", str(FLEET)]
    sent_to = ["--otlp", url, "--firehose", f"{url}/firehose"]
    run = subprocess.run([*command, *sent_to], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(run.stdout.splitlines()[-1]))
