"""The dashboard in a real Chromium: every page, light and dark, wide and narrow, and the way through it."""

import re
import socket
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from dashboard import browser as modules
from dashboard.charts.plot import Plot, Trace
from dashboard.pages import PAGES, page
from dashboard.text import count, milliseconds
from deploy.local.browser import DESKTOP, PHONE, READY, browser, open_page, settle
from tests.support.collector import CollectorProcess
from tests.support.dashboard import Seeded, running_dashboard

pytestmark = pytest.mark.browser

TIMEOUT_S = 30
CHART = "lambdascope-chart"
HEADER_PX, ROW_PX = 34, 33
"""Heights in a table, which is a canvas: there is no element to click."""


@pytest.fixture(params=[("light", DESKTOP), ("dark", PHONE)], ids=["light-1366", "dark-390"])
def look(request):
    return request.param


def query_of(name: str, seeded: Seeded) -> list[tuple[str, str]]:
    """Choices under which a page has everything to show."""
    cold = next(one for one in seeded.fleet.invocations if one.cold)
    more = {
        "function": [("function", "pdf-render")],
        "invocation": [("request", cold.request_id)],
        "sql": [("q", "SELECT FunctionName, count() AS n FROM lambda_invocations GROUP BY FunctionName")],
    }
    return [*seeded.query.items(), *more.get(name, [])]


def test_every_page_is_complete_and_leaves_the_console_empty(url, seeded, look):
    scheme, size = look
    problems: dict[str, list[str]] = {}
    with browser(scheme=scheme, size=size) as context:
        tab = context.new_page()
        for one in PAGES:
            report = open_page(tab, url, one, query=query_of(one.name, seeded))
            assert report.ready, report
            # A page without data has one sentence that says what to do.
            assert report.panels > 0 or tab.get_by_test_id("stAlert").count() == 1, report
            problems |= {one.name: report.problems} if report.problems else {}
        background = tab.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert problems == {}
    assert (background == "rgb(255, 255, 255)") is (scheme == "light")


@pytest.fixture
def tab() -> Iterator[Tab]:
    with browser() as context:
        one = context.new_page()
        one.set_default_timeout(TIMEOUT_S * 1000)
        yield one


def figure(tab: Tab, label: str) -> str:
    """A figure of the row on top of the page."""
    box = tab.get_by_test_id("stMetric").filter(has=tab.get_by_text(label, exact=True))
    return box.get_by_test_id("stMetricValue").inner_text()


def click_row(tab: Tab, table: int, row: int) -> None:
    """Click the first cell of a row, from 0."""
    frame = tab.get_by_test_id("stDataFrame").nth(table)
    frame.scroll_into_view_if_needed()
    frame.click(position={"x": 60, "y": HEADER_PX + ROW_PX * (row + 0.5)})


def arrived(tab: Tab, name: str) -> dict[str, list[str]]:
    """Wait until a page is complete; its choices."""
    tab.wait_for_selector(READY.format(page=name), state="attached")
    settle(tab, TIMEOUT_S)
    return parse_qs(urlsplit(tab.url).query)


def test_from_the_fleet_to_what_took_the_time_of_one_invocation(tab, url, seeded):
    fleet = seeded.fleet
    open_page(tab, url, page("fleet"), query=list(seeded.query.items()))
    assert figure(tab, "Invocations") == count(len(fleet.invocations))
    assert figure(tab, "Peak busy") == str(fleet.peak())

    click_row(tab, 0, 0)
    name = arrived(tab, "function")["function"][0]
    own = [one for one in fleet.invocations if one.function.name == name]
    expect(tab.get_by_role("heading", name=name)).to_be_visible()
    assert figure(tab, "Invocations") == count(len(own))
    assert figure(tab, "Peak busy") == str(fleet.peak(name))

    tab.get_by_test_id("stSidebar").get_by_role("link", name="Concurrency").click()
    assert arrived(tab, "concurrency")["function"] == [name]
    click_row(tab, 0, 1)  # the account has the first
    choices = arrived(tab, "invocations")
    assert choices["function"] == [name]
    assert figure(tab, "Invocations") == str(fleet.peak(name))

    click_row(tab, 0, 0)
    key = arrived(tab, "invocation")
    one = next(one for one in own if one.request_id == key["request"][0])
    assert figure(tab, "Memory") == f"{one.max_memory_mb} MB"
    waterfall = tab.get_by_test_id(CHART)
    expect(waterfall).to_have_count(1)
    expect(waterfall).to_have_attribute("aria-label", re.compile("spans; the longest is"))
    expect(waterfall).to_contain_text("invoke")

    tab.go_back()
    assert arrived(tab, "invocations") == choices
    tab.go_back()
    arrived(tab, "concurrency")
    tab.go_back()
    assert arrived(tab, "function")["function"] == [name]


def test_a_moment_in_the_chart_of_concurrency_leads_to_what_ran_then(tab, url, seeded):
    open_page(tab, url, page("concurrency"), query=list(seeded.query.items()))
    chart = tab.get_by_test_id(CHART).first
    inside = chart.locator(".u-over")
    box = inside.bounding_box()
    assert box is not None
    inside.click(position={"x": box["width"] / 2, "y": box["height"] * 0.5})
    choices = arrived(tab, "invocations")
    assert choices["range"] == ["custom"]
    assert seeded.query["from"] <= choices["at"][0] < choices["until"][0] <= seeded.query["to"]


def test_a_chart_says_what_is_in_a_bucket_and_is_reached_by_the_keyboard(tab, url, seeded):
    open_page(tab, url, page("fleet"), query=list(seeded.query.items()))
    chart = tab.get_by_test_id(CHART).first
    total = len(seeded.fleet.invocations)
    expect(chart).to_have_attribute("aria-label", f"Invocations over time by function, {total:,} in all.")
    hover = chart.locator(".lsc-hover")
    said: list[list[str]] = []
    chart.focus()
    tab.keyboard.press("Home")
    while (lines := hover.inner_text().splitlines()) not in said[-1:]:
        said.append(lines)
        tab.keyboard.press("ArrowRight")
    assert len(said) > 10
    counted = [lines for lines in said if "nothing is known" not in lines]
    assert sum(int(lines[lines.index("invocations") + 1].replace(",", "")) for lines in counted) == total
    assert chart.locator("[aria-live]").inner_text().split() == " ".join(said[-1]).split()
    tab.keyboard.press("Escape")
    expect(chart.locator(".lsc-hover")).to_be_hidden()


HOURS_MS = tuple(3_600_000.0 * hour for hour in range(4))


@pytest.mark.parametrize(
    ("chart", "expected"),
    [
        (
            Plot("stack", HOURS_MS, (Trace("a", "#000000", (None, 5.0, 0.0)),), label="invocations"),
            [["nothing is known"], ["invocations", "5", "a", "5"], ["invocations", "0"]],
        ),
        (
            Plot("lines", HOURS_MS, (Trace("a", "#000000", (0.00001234567, 0.25, 1234.5)),)),
            [["a", "0.000012"], ["a", "0.25"], ["a", "1,235"]],
        ),
    ],
)
def test_what_is_said_of_a_bucket_tells_nothing_from_unknown_and_little_from_nothing(tab, url, chart, expected):
    open_page(tab, url, page("sql"))
    tab.evaluate(
        """async ([path, text]) => {
            const { draw } = await import(path);
            const parentElement = document.createElement("div");
            document.body.prepend(parentElement);
            draw({ parentElement, data: new TextEncoder().encode(text), setTriggerValue: () => {} });
        }""",
        [f"{url}/{modules.folder()}charts.js", chart.payload("Of three hours.").decode()],
    )
    drawn = tab.get_by_role("figure", name="Of three hours.")
    said = []
    drawn.focus()
    for key in ("Home", "ArrowRight", "ArrowRight"):
        tab.keyboard.press(key)
        said.append(drawn.locator(".lsc-hover").inner_text().splitlines()[1:])
    assert said == expected


def test_a_moment_is_chosen_by_the_keyboard_too(tab, url, seeded):
    open_page(tab, url, page("concurrency"), query=list(seeded.query.items()))
    tab.get_by_test_id(CHART).first.focus()
    for key in ("Home", "ArrowRight", "ArrowRight", "Enter"):
        tab.keyboard.press(key)
    choices = arrived(tab, "invocations")
    assert seeded.query["from"] <= choices["at"][0] < choices["until"][0] <= seeded.query["to"]


def test_a_chart_follows_the_width_of_its_place(tab, url, seeded):
    open_page(tab, url, page("concurrency"), query=list(seeded.query.items()))
    canvas = tab.get_by_test_id(CHART).first.locator("canvas")
    before = canvas.bounding_box()
    tab.set_viewport_size({"width": 900, "height": 900})
    assert before is not None
    tab.wait_for_function(
        "([selector, width]) => document.querySelector(selector).getBoundingClientRect().width < width",
        arg=[f"[data-testid={CHART}] canvas", before["width"] - 100],
    )


FIGURES_MS = (
    0,
    0.004,
    0.42,
    1,
    18.34,
    99.94,
    100,
    742.4,
    999.4,
    1420,
    9994,
    12_340,
    59_940,
    59_960,
    125_000,
    3_600_000,
)


def test_the_browser_writes_durations_as_the_rest_of_the_page_does(tab, url):
    open_page(tab, url, page("fleet"))
    written = tab.evaluate(
        """async ([path, figures]) => {
            const { milliseconds } = await import(path);
            return figures.map(milliseconds);
        }""",
        [f"{url}/{modules.folder()}words.js", FIGURES_MS],
    )
    assert written == [milliseconds(one) for one in FIGURES_MS]


def test_choices_stay_from_page_to_page_and_over_a_reload(tab, url, seeded):
    open_page(tab, url, page("fleet"))
    tab.get_by_role("radio", name="6 h").click()
    tab.wait_for_url("**range=6h**")
    tab.get_by_role("link", name="Concurrency").click()
    assert arrived(tab, "concurrency")["range"] == ["6h"]
    tab.reload()
    assert arrived(tab, "concurrency")["range"] == ["6h"]
    expect(tab.get_by_role("radio", name="6 h")).to_be_checked()
    tab.go_back()
    assert arrived(tab, "fleet")["range"] == ["6h"]


def test_what_is_shown_can_be_saved(tab, url, seeded):
    open_page(tab, url, page("fleet"), query=list(seeded.query.items()))
    with tab.expect_download() as started:
        tab.get_by_test_id("stDownloadButton").get_by_role("button").first.click()
    lines = started.value.path().read_text(encoding="utf-8").splitlines()
    column = lines[0].split(",").index("Invocations")
    assert sum(int(line.split(",")[column]) for line in lines[1:]) == len(seeded.fleet.invocations)


def test_times_are_in_the_viewers_zone_with_utc_beside(url, seeded):
    with browser(timezone="Asia/Kolkata") as context:
        tab = context.new_page()
        open_page(tab, url, page("fleet"), query=list(seeded.query.items()))
        expect(tab.get_by_text(re.compile(r"IST · .* UTC"))).to_be_visible()


def test_a_statement_is_written_run_linked_and_drawn(tab, url):
    heard: list[str] = []
    tab.on("console", lambda message: heard.append(message.text) if message.type in ("error", "warning") else None)
    open_page(tab, url, page("sql"))
    tab.get_by_role("textbox", name="Statement").fill("SELECT 6 * 7 AS answer, 'it''s [x.y]' AS `a.b`")
    tab.get_by_role("button", name="Run").click()
    tab.wait_for_url("**q=SELECT**")
    expect(tab.get_by_text(re.compile("1 row in"))).to_be_visible()
    tab.get_by_role("tab", name="Chart").click()
    chart = tab.get_by_test_id(CHART)
    expect(chart.locator("canvas")).to_be_visible()
    expect(chart).to_contain_text("it's [x.y]")
    assert heard == []


def test_the_page_comes_by_itself_once_the_collector_is_up(tab, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    collector = CollectorProcess(tmp_path / "data", ["--sql-port", str(port)])
    with running_dashboard(f"http://me:hunter2@127.0.0.1:{port}") as address:
        report = open_page(tab, address, page("fleet"))
        assert report.problems == ["1 panels show an error"]
        expect(tab.get_by_test_id("stAlert")).to_contain_text(f"http://me@127.0.0.1:{port} cannot be reached")
        collector.start()
        try:
            expect(tab.get_by_test_id("stAlert")).to_contain_text(
                "No invocations in this time", timeout=TIMEOUT_S * 1000
            )
        finally:
            collector.stop()
