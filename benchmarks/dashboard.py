"""The dashboard in Chromium over a fleet of 300 functions and a week with five incidents.

First paint is from navigation to the last panel, with a warm server and browser cache; what it took cold is beside it.
An interaction is from the click or the key that decides it until the page that it leads to is complete: the pointer is
there, and what is typed stands in its field. The page is open, and nobody has tried it before. It is done twice, with a
dashboard each: by somebody who has looked at the page for READS_S before each, while the dashboard asked ahead; and at
once, with a dashboard that asks nothing ahead.
To make and load the fleet takes a quarter of an hour, and some minutes until the collector has put what came to rest
together, which is printed and not judged, so the store is kept in build/bench for the next run.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from playwright.sync_api import Page as Tab

from benchmarks import Measurement
from dashboard.pages import PAGES, Page
from dashboard.ui.tables import ROW_PX
from deploy.local.browser import READY, arrive, browser, open_page, settle
from tests.support.collector import (
    ROOT,
    CollectorProcess,
    running_collector,
    wait_for_causes,
    wait_for_rest,
    wait_for_rows,
)
from tests.support.dashboard import running_dashboard

FLEET: Final = ROOT / "emulator" / "fleet" / "examples" / "incidents.yaml"
FOLDER: Final = ROOT / "build" / "bench" / "dashboard"
SQL_TIMEOUT_S: Final = "120"
OPEN_WITHIN_S: Final = 240.0
RUNS: Final = 3
HEADER_PX: Final = 34
WITHOUT_ACTS: Final = ("invocation", "function", "sql")
READS_S: Final = 2.0
"""What somebody needs at least to see what is there and to point at it."""


def measure() -> Iterator[Measurement]:
    """Load the fleet where it is not there, open every page cold and warm, then do on each what one does there."""
    yield from _measure(PAGES)


def _measure(pages: Sequence[Page]) -> Iterator[Measurement]:
    truth = _loaded()
    with running_collector(data=FOLDER / "data") as collector, browser() as context:
        wait_for_causes(collector.sql())
        wait_for_rest(collector.sql())
        tab = context.new_page()
        tab.set_default_timeout(OPEN_WITHIN_S * 1000)
        with _dashboard(collector) as url:
            looking = _Looking(tab, url, truth, READS_S)
            yield _first_paint(looking, pages)
            acted = looking.acts(pages)
        with _dashboard(collector, {"LAMBDASCOPE_SQL_AHEAD_PERCENT": "0"}) as url:
            hasty = _Looking(tab, url, truth, 0.0)
            for one in pages:
                hasty.paint_ms(one)
            at_once = hasty.acts(pages)
        yield Measurement("dashboard.interaction_ms_max", max(acted.values()), "ms", acted)
        yield Measurement("dashboard.interaction_at_once_ms_max", max(at_once.values()), "ms", at_once)


PIECES: Final = {one.name: partial(_measure, (one,)) for one in PAGES if one.name not in WITHOUT_ACTS}
"""What is measured of one page, by its name."""


def _dashboard(collector: CollectorProcess, settings: Mapping[str, str] | None = None) -> AbstractContextManager[str]:
    timeout = {"LAMBDASCOPE_SQL_TIMEOUT_S": SQL_TIMEOUT_S}
    return running_dashboard(collector.addresses.sql_url, {**timeout, **(settings or {})})


def _first_paint(looking: _Looking, pages: Sequence[Page]) -> Measurement:
    cold: dict[str, float] = {}
    warm: dict[str, float] = {}
    for one in pages:
        took = [looking.paint_ms(one) for _ in range(1 + RUNS)]
        cold[f"{one.name}, cold"] = took[0]
        warm[one.name] = statistics.median(took[1:])
        print(f"dashboard: {one.name} {took[0]:.0f} ms cold, {warm[one.name]:.0f} ms", file=sys.stderr, flush=True)
    return Measurement("dashboard.first_paint_ms_max", max(warm.values()), "ms", {**warm, **cold})


@dataclass(frozen=True, slots=True)
class _Looking:
    """Somebody at a dashboard, who looks at a page for so long before they do something on it."""

    tab: Tab
    url: str
    truth: Mapping[str, Any]
    reads_s: float

    @property
    def function(self) -> str:
        """The one that they choose."""
        return str(self.truth["incidents"][0]["function"])

    def paint_ms(self, one: Page) -> float:
        """Open a page with all of the week."""
        chosen = [*_whole(self.truth).items(), *([("function", self.function)] if one.name == "function" else [])]
        return open_page(self.tab, self.url, one, query=chosen, timeout_s=OPEN_WITHIN_S).paint_ms

    def acts(self, pages: Sequence[Page]) -> dict[str, float]:
        """How many milliseconds each thing took that one does on these pages."""
        acted: dict[str, float] = {}
        for one in pages:
            if one.name in WITHOUT_ACTS:
                continue
            self.paint_ms(one)
            for what, ms in self._on(one.name):
                acted[f"{one.name}, {what}"] = ms
                note = f"after {self.reads_s:g} s" if self.reads_s else "at once"
                print(f"dashboard: {one.name}, {what} {note} {ms:.0f} ms", file=sys.stderr, flush=True)
        return acted

    def _on(self, name: str) -> Iterator[tuple[str, float]]:
        """What one does on a page, and how long each took. The page is open."""
        tab, function = self.tab, self.function

        def took(act: Callable[[], None], target: str = name, source: str = name) -> float:
            tab.wait_for_timeout(self.reads_s * 1000)
            return _until_complete_ms(tab, source, target, act)

        box = tab.get_by_role("combobox", name="Functions")
        box.fill(function)
        tab.get_by_role("option", name=function, exact=True).hover()
        yield "choose", took(lambda: _click(tab))
        yield "take back", took(lambda: box.press("Backspace"))
        box.press("Tab")  # else the next click does no more than close the list of functions
        if name == "fleet":
            _point_at_row(tab, 0)
            yield "an incident", took(lambda: _click(tab), "streams")
            yield "back", took(lambda: _back(tab), source="streams")
            _point_at_row(tab, 1)
            yield "a function", took(lambda: _click(tab), "function")
            yield "back from it", took(lambda: _back(tab), source="function")
            yield "another page", took(lambda: _follow(tab, "Concurrency"), "concurrency")
            took(lambda: _back(tab), source="concurrency")
        if name == "concurrency":
            _point_at_row(tab, 1)
            yield "a peak", took(lambda: _click(tab), "invocations")
            yield "back", took(lambda: _back(tab), source="invocations")
        if name == "invocations":
            cold_only = tab.get_by_text("Cold starts only", exact=True)
            yield "cold starts only", took(cold_only.click)
            yield "all again", took(cold_only.click)
            _point_at_row(tab, 0)
            yield "one of them", took(lambda: _click(tab), "invocation")
            yield "back", took(lambda: _back(tab), source="invocation")
        last = int(tab.get_by_role("spinbutton", name="day, To (UTC)").get_attribute("aria-valuenow") or 0)
        if last > 1:  # else the day before is one of another month
            _type_from_day(tab, last - 1)
            yield "the last day", took(lambda: tab.keyboard.press("Enter"))


def _point_at_row(tab: Tab, table: int) -> None:
    frame = tab.get_by_test_id("stDataFrame").nth(table)
    frame.scroll_into_view_if_needed()
    frame.hover(position={"x": 60, "y": HEADER_PX + ROW_PX / 2})


def _click(tab: Tab) -> None:
    tab.mouse.down()  # a table lets a click go that comes and goes within a frame of the screen
    tab.wait_for_timeout(50)
    tab.mouse.up()


def _back(tab: Tab) -> None:
    tab.evaluate("history.back()")


def _follow(tab: Tab, title: str) -> None:
    tab.get_by_test_id("stSidebar").get_by_role("link", name=title).click()


def _type_from_day(tab: Tab, day: int) -> None:
    """Write that the time begins on another day. Enter decides it."""
    tab.get_by_role("spinbutton", name="day, From (UTC)").focus()
    tab.keyboard.type(f"{day:02d}")


def _until_complete_ms(tab: Tab, name: str, target: str, act: Callable[[], None]) -> float:
    before = tab.locator(READY.format(page=name)).get_attribute("data-run")
    began = time.monotonic()
    act()
    arrive(tab, f"{READY.format(page=target)}:not([data-run='{before}'])", OPEN_WITHIN_S)
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
            wait_for_causes(collector.sql())
            wait_for_rest(collector.sql())
        done.write_text(json.dumps(truth), encoding="utf-8")
        print(f"dashboard: loaded in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return dict(json.loads(done.read_text(encoding="utf-8")))


def _send(url: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "emulator.fleet", "--fleet", str(FLEET)]
    sent_to = ["--otlp", url, "--firehose", f"{url}/firehose"]
    run = subprocess.run([*command, *sent_to], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(run.stdout.splitlines()[-1]))
