"""From the Fleet page to the cause of each incident, following what the pages mark."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from dashboard.pages import page
from deploy.local.browser import READY, browser, open_page, settle
from tests.support.dashboard import running_dashboard
from tests.support.incidents import Troubled, fleets, troubled_collector

pytestmark = [pytest.mark.browser, pytest.mark.soak]

TIMEOUT_S = 60
HEADER_PX, ROW_PX = 34, 33


FLEETS = fleets()


@pytest.fixture(scope="module", params=FLEETS)
def troubled(request) -> Iterator[Troubled]:
    with troubled_collector(FLEETS[request.param]) as one:
        yield one


@pytest.fixture(scope="module")
def url(troubled: Troubled) -> Iterator[str]:
    with running_dashboard(troubled.sql_url) as one:
        yield one


@pytest.fixture
def tab() -> Iterator[Tab]:
    with browser() as context:
        one = context.new_page()
        one.set_default_timeout(TIMEOUT_S * 1000)
        yield one


def rows_of(tab: Tab, table: int) -> list[list[str]]:
    """What a table says: the grid is a canvas, with a table inside for who cannot see it."""
    frame = tab.get_by_test_id("stDataFrame").nth(table)
    frame.scroll_into_view_if_needed()
    rows = frame.locator("tbody tr[role=row], table[role=grid] tr[role=row]")
    expect(rows.nth(1)).to_be_attached()
    return [one.locator("[role=gridcell]").all_inner_texts() for one in rows.all()]


def click_row(tab: Tab, table: int, row: int) -> None:
    frame = tab.get_by_test_id("stDataFrame").nth(table)
    frame.scroll_into_view_if_needed()
    frame.click(position={"x": 60, "y": HEADER_PX + ROW_PX * (row + 0.5)})


# kind of incident: the title on the Fleet page, the page that it leads to, what that page says.
JOURNEYS = {
    "reserved_limit": (
        "Reserved concurrency used up",
        "throttles",
        r"Reserved concurrency used up.*requests throttled",
    ),
    "account_limit": ("Account's concurrency used up", "throttles", r"Account's concurrency used up.*claimed"),
    "reserved_zero": ("Reserved concurrency is 0", "throttles", r"Reserved concurrency is 0.*nothing ran"),
    "request_rate_limit": (
        "Request rate of the reservation",
        "throttles",
        r"Request rate of the reservation.*requests per second ran",
    ),
    "scaling_rate_limit": (
        "Faster than Lambda adds sandboxes",
        "throttles",
        r"Faster than Lambda adds sandboxes.*concurrency rose by",
    ),
    "slow_consumer": (
        "The consumer is too slow",
        "streams",
        r"The consumer is too slow.*(records come faster|invocations take)",
    ),
    "poisoned_shard": ("A shard stands still", "streams", r"A shard stands still.*invocations failed"),
    "paused_mapping": ("The mapping does not invoke", "streams", r"The mapping does not invoke.*nothing was invoked"),
    "slow_init": ("Init of version", "cold_starts", r"Init is slower since a release.*median init"),
}


@pytest.mark.parametrize("kind", JOURNEYS)
def test_from_the_fleet_to_the_cause(tab, url, troubled, kind):
    title, target, said = JOURNEYS[kind]
    if kind not in troubled.incidents:
        pytest.skip("this fleet has no such incident")
    incident = troubled.incidents[kind]
    open_page(tab, url, page("fleet"), query=list(troubled.query.items()), timeout_s=TIMEOUT_S)
    found = [
        at for at, row in enumerate(one for one in rows_of(tab, 0) if one)
        if any(cell.startswith(title) for cell in row) and incident.function in row
    ]  # fmt: skip
    assert found, rows_of(tab, 0)
    click_row(tab, 0, found[0])
    tab.wait_for_selector(READY.format(page=target), state="attached")
    settle(tab, TIMEOUT_S)
    expect(tab.locator(READY.format(page=target))).to_have_attribute("data-errors", "0")
    finding = tab.get_by_test_id("stAlert").filter(has_text=re.compile(said))
    expect(finding.first).to_contain_text(incident.function)
    since = re.search(r"from (\d{4}-\d\d-\d\d \d\d:\d\d)", finding.first.inner_text())
    assert since is not None
    # An init shows with the first cold start after the release; the others within a minute.
    begun = [f"{incident.shows + timedelta(minutes=minute):%Y-%m-%d %H:%M}" for minute in range(-1, 2)]
    assert kind == "slow_init" or since[1] in begun
    if kind == "account_limit":
        holder = next(row for row in rows_of(tab, 1) if row)
        assert holder[0] == incident.function


def test_nothing_is_reported_of_who_had_no_incident(tab, url, troubled):
    open_page(tab, url, page("fleet"), query=list(troubled.query.items()), timeout_s=TIMEOUT_S)
    reported = [one for one in rows_of(tab, 0) if one]
    known = {one.function: one for one in troubled.incidents.values()}
    assert {function for _, _, function, *_ in reported} == set(known), reported
    for since, _, function, *what in reported:
        began = datetime.fromisoformat(since)
        own = known[function]
        assert min(own.begin, own.shows) - timedelta(minutes=1) <= began <= own.end, (function, since, what, own)
