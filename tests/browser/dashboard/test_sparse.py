"""Invocations of which little is known, or that could not even begin, matter most: pages show what there is of them."""

import urllib.request
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from collector.cloudwatch.point import Point, dimension_set
from collector.cloudwatch.spooled import encode, rows
from dashboard.pages import PAGES, page
from deploy.local.browser import browser, open_page
from tests.support.cloudwatch import store_at
from tests.support.collector import lambda_span, running_collector, trace_request, wait_for_causes, wait_for_rows
from tests.support.dashboard import running_dashboard

pytestmark = pytest.mark.browser

Told = dict[str, Any]

RAN_MS, TOOK_MS = 100, 180
"""For how long one had run when it was told of, and until it ended."""
RUNS: Told = {"lambda__in_flight": True}
SPANS: dict[str, list[tuple[str, int, Told]]] = {
    "begun": [("invoke", RAN_MS, RUNS)],
    "begun-cold": [("invoke", RAN_MS, RUNS | {"faas__coldstart": True})],
    "begun-and-ended": [("invoke", RAN_MS, RUNS), ("invoke", TOOK_MS, {"lambda__status": "timeout"})],
    # The platform's word of an end comes a little later: what was told meanwhile may be the longer.
    "told-too-late": [("invoke", TOOK_MS + 20, RUNS), ("invoke", TOOK_MS, {"lambda__status": "timeout"})],
    "ended": [("invoke", TOOK_MS, {})],
    "killed": [("invoke", TOOK_MS, {"lambda__status": "error", "lambda__end_estimated": True})],
    "cold": [("invoke", TOOK_MS, {"lambda__status": "success", "faas__coldstart": True})],
    "reported": [("post_runtime", TOOK_MS, {"lambda__duration_ms": 150.0, "lambda__status": "timeout"})],
    "started": [("init", TOOK_MS, {})],
}
"""By function, all that came of it: phase, duration and what the span tells."""
INVOKED = {name: told for name, told in SPANS.items() if told[0][0] == "invoke"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    start_ns = int((datetime.now(UTC) - timedelta(minutes=10)).timestamp()) * 10**9
    with running_collector() as collector:
        for name, told in SPANS.items():
            for one in told:
                _send(collector.addresses.http_url, name, start_ns, one)
        wait_for_rows(collector.sql(), "SELECT SpanName FROM otel_traces", sum(map(len, SPANS.values())))
        wait_for_rows(collector.sql(), "SELECT RequestId FROM lambda_invocations", len(INVOKED))
        with running_dashboard(collector.addresses.sql_url) as one_dashboard:
            yield one_dashboard


def _send(collector: str, name: str, start_ns: int, span: tuple[str, int, Told]) -> None:
    phase, ms, told = span
    request_id = "" if phase == "init" else f"request-{name}"
    sent = lambda_span(phase, request_id=request_id, instance=name, start_ns=start_ns, duration_ns=ms * 10**6, **told)
    body = trace_request([sent], function=name, instance=name).SerializeToString()
    request = urllib.request.Request(
        f"{collector}/v1/traces", data=body, headers={"Content-Type": "application/x-protobuf"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


@pytest.fixture
def tab() -> Iterator[Tab]:
    with browser() as context:
        yield context.new_page()


def problems_of(tab: Tab, url: str, names: Iterable[str], query: list[tuple[str, str]]) -> dict[str, list[str]]:
    reports = {name: open_page(tab, url, page(name), query=[("range", "1h"), *query]) for name in names}
    return {name: report.problems for name, report in reports.items() if report.problems}


def test_every_page_shows_what_there_is(tab, url):
    assert problems_of(tab, url, [one.name for one in PAGES], []) == {}


ABOUT_ONE = ("function", "concurrency", "cold_starts", "invocations", "sandboxes", "cost", "invocation")


@pytest.mark.parametrize("name", SPANS)
def test_so_does_every_page_about_one_of_them(tab, url, name):
    assert problems_of(tab, url, ABOUT_ONE, [("function", name), ("request", f"request-{name}")]) == {}
    if name in INVOKED:
        _, ms, told = INVOKED[name][-1]
        tab.get_by_role("figure", name=f"1 span; the longest is invoke · invoke with {ms} ms.").focus()
        tab.keyboard.press("ArrowDown")
        said = tab.locator(".lsc-hover").inner_text().splitlines()
        assert f"{ms}.000 ms" in said
        assert ("has not come" in said) is ("lambda__in_flight" in told)
        assert ("estimated" in said) is ("lambda__end_estimated" in told)


REFUSED_AT = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=3)
BY = {"FunctionName": "switched-off"}


def _refused() -> Iterator[Point]:
    """Ten minutes in which all was throttled."""
    for minute in range(10):
        at_s = int(REFUSED_AT.timestamp()) + 60 * minute
        for metric, total in (("Throttles", 40.0), ("Invocations", 0.0)):
            yield Point(
                "AWS/Lambda", metric, BY, dimension_set(BY), at_s, 60, total, 0.0, 1.0, 40.0, {}, "Count",
                "123456789012", "eu-west-1",
            )  # fmt: skip


def test_of_a_function_that_could_not_run_at_all_the_incident_is_told(tab, tmp_path):
    switched_off = {
        "AccountId": "123456789012",
        "Region": "eu-west-1",
        "FunctionName": BY["FunctionName"],
        "ReservedConcurrency": 0,
        "PolledAt": REFUSED_AT - timedelta(minutes=5),
    }
    with store_at(tmp_path) as (store, client):
        store.insert(rows([encode(list(_refused()), 1_800_000_000_000_000_000)]), "points")
        client.insert("lambda_functions", [list(switched_off.values())], column_names=list(switched_off))
    with running_collector(data=tmp_path) as collector:
        wait_for_causes(collector.sql())
        with running_dashboard(collector.addresses.sql_url) as address:
            for name in ("fleet", "function"):
                report = open_page(tab, address, page(name), query=[("range", "6h"), ("function", BY["FunctionName"])])
                assert report.problems == []
                expect(tab.get_by_text("1 incident, the newest first")).to_be_visible()
