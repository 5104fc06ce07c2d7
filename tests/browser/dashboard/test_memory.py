"""Memory of the dashboard while many people look at a live page: what refreshes must not pile up."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest

from dashboard.pages import page
from deploy.local.browser import READY, browser, open_page
from tests.support.dashboard import dashboard_process
from tests.support.viewers import Viewer, viewer

pytestmark = [pytest.mark.browser, pytest.mark.soak]

FULL = os.environ.get("LAMBDASCOPE_SOAK") == "1"
VIEWERS = 20 if FULL else 3
REFRESHES = 200 if FULL else 8
LIVE = {"range": "1h"}
MAY_GROW_BY = 0.05 if FULL else 0.25
"""Of the memory after the first half. A run of few refreshes ends while caches and pools are still being filled."""


def resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


@pytest.mark.timeout(2400 if FULL else 300)
def test_memory_is_flat_while_many_look_at_a_live_page(seeded):
    with (
        dashboard_process(seeded.sql_url, {"LAMBDASCOPE_SQL_TIMEOUT_S": "90"}) as (url, pid),
        browser() as context,
        ThreadPoolExecutor(VIEWERS) as pool,
        ExitStack() as stack,
    ):
        tab = context.new_page()
        report = open_page(tab, url, page("fleet"), query=list(LIVE.items()), timeout_s=120)
        assert report.problems == []
        assert report.panels >= 3
        viewers = [stack.enter_context(viewer(url, LIVE)) for _ in range(VIEWERS - 1)]
        drawn = f'data-panels="{report.panels}" data-errors="0"'
        assert all(drawn in said for said in pool.map(Viewer.open, viewers))
        used: list[int] = []
        for _ in range(REFRESHES):
            assert [said for said in pool.map(Viewer.refresh, viewers) if drawn not in said] == []
            used.append(resident_kb(pid))
        quarter = REFRESHES // 4
        middle, last = median(used[quarter : 2 * quarter]), median(used[-quarter:])
        print(f"memory: {VIEWERS} viewers, {REFRESHES} refreshes: {used[0]} kB, {middle} kB, {last} kB")
        assert last < middle * (1 + MAY_GROW_BY), used
        # The browser is still looking at a page that is alive.
        before = tab.locator(READY.format(page="fleet")).get_attribute("data-run")
        tab.wait_for_selector(f"{READY.format(page='fleet')}:not([data-run='{before}'])", state="attached")
