"""``make demo``: everything on this machine, under a lively traffic pattern, until Ctrl-C.

With ``--for SECONDS`` it opens every page in headless Chromium once there is something to see, compares what SQL says
with what the emulator counted, and ends with 0 where all of it holds.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from urllib.parse import urlencode

from dashboard.pages import PAGES
from deploy.local.processes import ProcessError
from deploy.local.stack import DEFAULT_PORTS, ROOT, Collector, Dashboard, Emulator, Stack, wait_for

SCENARIO = ROOT / "emulator" / "examples" / "demo.yaml"
FOLDER = ROOT / "build" / "demo"
_CHOSEN = {"function": "function=checkout"}
"""What a page is about, where it is about one thing."""
_SHARE_BEFORE_PAGES = 0.5
"""Of the time that ``--for`` gives, the part that goes by before the pages are opened: they need something to show."""

_BANNER = """
Lambdascope is running on this machine, with traffic on {functions}: real functions in
real sandboxes, with the built layer. Open

  {dashboard}/?range=15m   the dashboard
  {emulator}              Lambda's invoke API, for any AWS SDK (endpoint URL)
  http://{sql}              ClickHouse's HTTP interface, read-only:
     curl 'http://{sql}/' -d 'SELECT * FROM lambda_invocations ORDER BY Start DESC LIMIT 1 FORMAT Vertical'

Look at Fleet for what stands out, at Concurrency (every peak is exact; click one to see what ran then), at Cold starts
for where they spend their time, and at one of the Invocations for its waterfall.

Ctrl-C stops everything. The logs and the store stay in {folder} until the next demo.
"""


class _Stopped(Exception):  # noqa: N818  not an error: the person asked for it
    """SIGINT or SIGTERM arrived."""


def main(arguments: list[str] | None = None) -> int:
    """Runs the demo; the exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--for", dest="seconds", type=_seconds, help="check every page and end after this many seconds")
    seconds: float | None = parser.parse_args(arguments).seconds
    try:
        with _signals_raise(), Stack(FOLDER, DEFAULT_PORTS) as stack:
            return run(stack, seconds)
    except _Stopped:
        print("\ndemo: stopped")
        return 0 if seconds is None else 1
    except ProcessError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def run(stack: Stack, seconds: float | None) -> int:
    """Starts the parts, says where they are, and stays until told to stop or until ``seconds`` have gone by."""
    started = time.monotonic()
    collector, emulator, dashboard = _start(stack)
    print(
        _BANNER.format(
            dashboard=dashboard.url,
            sql=collector.sql,
            emulator=emulator.url,
            functions=", ".join(emulator.functions()),
            folder=FOLDER.relative_to(ROOT),
        ),
        flush=True,
    )
    if seconds is None:
        _watch(stack, emulator, until=None)
        return 0
    _watch(stack, emulator, until=started + seconds * _SHARE_BEFORE_PAGES)
    problems = _check_pages(collector, dashboard)
    _watch(stack, emulator, until=started + seconds)
    problems += _check_figures(collector, emulator)
    for problem in problems:
        print(f"demo: {problem}", file=sys.stderr)
    print("demo: " + ("all pages and figures are right" if not problems else f"{len(problems)} problems"))
    return 1 if problems else 0


def _start(stack: Stack) -> tuple[Collector, Emulator, Dashboard]:
    print("demo: starting the collector with its embedded ClickHouse", flush=True)
    collector = stack.start_collector()
    print("demo: starting the emulator with the built layer", flush=True)
    emulator = stack.start_emulator(SCENARIO, collector.http)
    print("demo: starting the dashboard", flush=True)
    return collector, emulator, stack.start_dashboard(collector.sql)


def _watch(stack: Stack, emulator: Emulator, *, until: float | None) -> None:
    """Shows that it lives; ends with an error where a part ends."""
    live = sys.stdout.isatty()
    while until is None or time.monotonic() < until:
        time.sleep(1)
        stack.check_alive()
        if live:
            now = emulator.summary()
            print(
                f"\r{now['invocations']} invocations, {now['cold_starts']} cold starts, peak concurrency "
                f"{now['peak_concurrency']}   ",
                end="",
                flush=True,
            )
    if live:
        print()


def _check_pages(collector: Collector, dashboard: Dashboard) -> list[str]:
    """Opens every page in headless Chromium; what is wrong with them."""
    # The endless demo needs neither Playwright nor Chromium.
    from deploy.local.browser import Named, check  # noqa: PLC0415

    pages = [
        Named(page.name, f"{page.url_path}?range=15m&{_CHOSEN.get(page.name, '')}") for page in PAGES if page.listed
    ]
    reports = check(
        dashboard.url, [*pages, Named("invocation", _a_cold_start(collector))], screenshots=FOLDER / "pages"
    )
    for report in reports:
        print(f"demo: page {report.page}: {report.panels} panels, {report.paint_ms:.0f} ms", flush=True)
    return [f"page {report.page} ({report.url}): {problem}" for report in reports for problem in report.problems]


def _a_cold_start(collector: Collector) -> str:
    """Where the dashboard shows the latest cold start: the page of one invocation shows nothing without one."""
    row = collector.client().query(
        "SELECT RequestId, InstanceId, Attempt, formatDateTime(Start, '%FT%TZ', 'UTC') FROM lambda_invocations"
        " WHERE ColdStart ORDER BY Start DESC LIMIT 1"
    )
    if not row.first_row:
        raise ProcessError("no cold start has been stored: the traffic did not reach the collector")
    names = ("request", "instance", "attempt", "start")
    return "invocation?" + urlencode(dict(zip(names, row.first_row, strict=True)))


def _check_figures(collector: Collector, emulator: Emulator) -> list[str]:
    """Ends the sandboxes and compares the rows with the emulator's own record."""
    emulator.process.stop()
    client = collector.client()
    truth = {record["request_id"] for record in emulator.records("invocation")}

    def stored() -> list[str]:
        return [row[0] for row in client.query("SELECT RequestId FROM lambda_invocations").result_rows]

    try:
        wait_for(lambda: len(stored()) >= len(truth), "the last invocations to be stored", timeout_s=30)
    except ProcessError as error:
        print(f"demo: {error}", file=sys.stderr)
    rows = stored()
    print(f"demo: {len(truth)} invocations by the emulator's count, {len(rows)} rows in lambda_invocations")
    lost, extra = truth - set(rows), len(rows) - len(set(rows))
    return [f"{len(lost)} invocations are lost"] * bool(lost) + [f"{extra} invocations are there twice"] * bool(extra)


@contextmanager
def _signals_raise() -> Iterator[None]:
    """SIGINT and SIGTERM end the demo in order; a second one is ignored, so that nothing is left behind."""

    def raise_once(_signal: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise _Stopped

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, raise_once)
    yield


def _seconds(text: str) -> float:
    value = float(text)
    if not 10 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"FOR={text}: accepted are 10 to 86400 seconds")
    return value


if __name__ == "__main__":
    sys.exit(main())
