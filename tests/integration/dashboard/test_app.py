"""The pages as Streamlit runs them, without a browser: figures, empty states, failures in words, the address."""

import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from collector.otlp.decode import decode
from collector.otlp.signals import Signal
from dashboard.config import AHEAD_PERCENT, SQL_URL
from dashboard.pages import PAGES
from dashboard.sql import statement
from dashboard.text import count
from dashboard.ui import data
from tests.support.cloudwatch import store_at
from tests.support.collector import lambda_span, running_collector, trace_request
from tests.support.dashboard import Seeded

MAIN = Path(__file__).parents[3] / "dashboard" / "main.py"
TIMEOUT_S = 60


@pytest.fixture
def app(seeded: Seeded, monkeypatch):
    """Draw a page with these choices; without any, the whole fleet."""
    monkeypatch.setenv(SQL_URL.env, seeded.sql_url)
    monkeypatch.setenv(AHEAD_PERCENT.env, "0")  # what is asked ahead outlives a test

    def draw(file: str = "views/fleet.py", **query: str) -> AppTest:
        at = AppTest.from_file(str(MAIN), default_timeout=TIMEOUT_S)
        for name, value in (query or seeded.query).items():
            at.query_params[name] = value
        at.switch_page(file)
        return at.run()

    return draw


def sentinel(at: AppTest) -> dict[str, str]:
    """What the page says of itself."""
    bodies = [one.proto.body for one in at.get("html")]
    found = [body for body in bodies if "lambdascope-ready" in body]
    assert len(found) == 1
    return dict(re.findall(r'data-(\w+)="([^"]*)"', found[0]))


def values(at: AppTest, name: str) -> list[str]:
    """What the address says of one choice."""
    found = at.query_params[name]
    return [found] if isinstance(found, str) else list(found)


def figures(at: AppTest) -> dict[str, str]:
    return {one.label: one.value for one in at.metric}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_is_complete_and_free_of_errors(app, page):
    at = app(page.file)
    said = sentinel(at)
    assert (said["page"], said["errors"]) == (page.name, "0")
    assert [one.value for one in at.error] == []
    assert not at.exception
    assert f"# {page.title}" in [one.value for one in at.markdown]


def test_the_fleet_shows_the_truth(app, seeded):
    shown = figures(app())
    truth = seeded.fleet.invocations
    assert shown["Invocations"] == count(len(truth))
    assert shown["Peak busy"] == str(seeded.fleet.peak())
    cold = 100 * sum(one.cold for one in truth) / len(truth)
    assert shown["Cold starts"] == f"{cold:.1f} %"


@pytest.mark.parametrize("name", ["cold_starts", "function", "invocations", "runtimes"])
def test_a_long_time_shows_the_truth_too(app, seeded, name):
    only = {"function": seeded.fleet.invocations[0].function.name} if name == "function" else {}
    at = app(f"views/{name}.py", range="24h", **only)
    said = sentinel(at)
    assert (said["page"], said["errors"]) == (name, "0")
    assert not at.exception
    if name == "invocations":
        assert figures(at)["Invocations"] == f"{len(seeded.fleet.invocations):,}"


def test_one_function_shows_only_its_own(app, seeded):
    at = app("views/function.py", **seeded.query, function="pdf-render")
    own = [one for one in seeded.fleet.invocations if one.function.name == "pdf-render"]
    shown = figures(at)
    assert shown["Invocations"] == count(len(own))
    assert shown["Peak busy"] == str(seeded.fleet.peak("pdf-render"))


@pytest.mark.parametrize("before", [timedelta(0), timedelta(days=1)], ids=["short", "long"])
def test_who_comes_from_the_fleet_sees_the_same_figures_without_asking_again(app, seeded, before, monkeypatch):
    asked: list[str] = []
    frame = data._frame

    def heard(text, params, *, guess):
        asked.append(text)
        return frame(text, params, guess=guess)

    monkeypatch.setattr(data, "_frame", heard)
    chosen = {**seeded.query, "from": f"{seeded.begin - before:%Y-%m-%dT%H:%M:%SZ}"}
    summaries = {statement("invocations_summary"), statement("invocations_summary_long")}
    shown = []
    for way in (("function",), ("fleet", "function")):
        data.answers.clear()
        for page in way:
            asked.clear()
            at = app(f"views/{page}.py", **chosen, **({"function": "pdf-render"} if page == "function" else {}))
        shown.append((figures(at), not summaries.isdisjoint(asked)))
    assert shown[0][0] == shown[1][0]
    assert [summed for _, summed in shown] == [True, False]


def test_the_address_narrows_invocations_down(app, seeded):
    at = app("views/invocations.py", **seeded.query, status="timeout")
    expected = sum(one.status == "timeout" for one in seeded.fleet.invocations)
    assert figures(at)["Invocations"] == count(expected)
    assert figures(at)["Failed"] == "100 %"
    assert at.selectbox(key="inv-status").value == "timeout"


def test_a_choice_goes_into_the_address(app):
    at = app("views/invocations.py", range="1h")
    at.selectbox(key="inv-status").set_value("failed").run()
    assert values(at, "status") == ["failed"]
    at.button_group(key="bar-range").set_value("6h").run()
    assert values(at, "range") == ["6h"]
    assert values(at, "status") == ["failed"]


def test_an_invocation_shows_its_figures(app, seeded):
    one = next(one for one in seeded.fleet.invocations if one.cold and one.status == "success")
    at = app("views/invocation.py", request=one.request_id)
    shown = figures(at)
    assert shown["Memory"] == f"{one.max_memory_mb} MB"
    assert shown["Billed, GB-s"] == f"{one.billed_ms * one.function.memory_mb / 1_024_000:.4f}"
    assert sentinel(at)["errors"] == "0"


def test_an_unknown_invocation_says_so(app):
    at = app("views/invocation.py", request="nobody")
    assert "No invocation with the request id nobody" in at.info[0].value


def test_a_time_without_data_says_what_to_do(app):
    at = app(range="custom", **{"from": "2020-01-01T00:00:00Z", "to": "2020-01-01T01:00:00Z"})
    assert "No invocations in this time" in at.info[0].value
    assert sentinel(at)["errors"] == "0"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_an_empty_store_is_no_error(page, empty_store, monkeypatch):
    monkeypatch.setenv(SQL_URL.env, empty_store)
    at = AppTest.from_file(str(MAIN), default_timeout=TIMEOUT_S).switch_page(page.file).run()
    assert sentinel(at)["errors"] == "0"
    assert not at.exception
    assert at.info


@pytest.fixture(scope="module")
def instants(tmp_path_factory):
    """A store of which nothing was busy for a whole millisecond."""
    folder = tmp_path_factory.mktemp("instants")
    start_ns = int((datetime.now(UTC) - timedelta(minutes=10)).timestamp()) * 10**9
    span = lambda_span("invoke", request_id="r", start_ns=start_ns, duration_ns=400_000, lambda__status="success")
    with store_at(folder) as (store, _):
        for number, decoded in enumerate(decode(Signal.TRACES, [trace_request([span]).SerializeToString()])):
            store.insert(decoded, f"instant-{number}")
    with running_collector(data=folder) as collector:
        yield collector.addresses.sql_url


@pytest.mark.parametrize("range_", ["1h", "24h"])
@pytest.mark.parametrize("name", ["fleet", "function", "concurrency"])
def test_what_took_less_than_a_millisecond_is_shown(app, instants, monkeypatch, name, range_):
    monkeypatch.setenv(SQL_URL.env, instants)
    at = app(f"views/{name}.py", range=range_, function="checkout" if name == "function" else "")
    assert sentinel(at)["errors"] == "0"
    assert name == "concurrency" or figures(at)["Invocations"] == "1"


@pytest.fixture(scope="module")
def empty_store():
    with running_collector() as collector:
        yield collector.addresses.sql_url


def test_an_endpoint_that_nobody_serves_is_one_clear_sentence(monkeypatch):
    with socket.socket() as taken:  # bound and not listening: nobody else answers there
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setenv(SQL_URL.env, f"http://me:hunter2@127.0.0.1:{port}")
        at = AppTest.from_file(str(MAIN), default_timeout=TIMEOUT_S).run()
    assert len(at.error) == 1
    said = at.error[0].value
    assert f"http://me@127.0.0.1:{port} cannot be reached" in said
    assert "python -m collector" in said
    assert "hunter2" not in said
    assert not at.exception
    assert sentinel(at)["errors"] == "1"


def test_a_bad_url_is_one_clear_sentence(monkeypatch):
    monkeypatch.setenv(SQL_URL.env, "clickhouse://me:hunter2@ch")
    at = AppTest.from_file(str(MAIN), default_timeout=TIMEOUT_S).run()
    assert [SQL_URL.env in one.value for one in at.error] == [True]
    assert "hunter2" not in at.error[0].value
    assert not at.exception


def test_a_wrong_statement_is_told_and_leaves_the_page(app):
    at = app("views/sql.py", q="SELECT 1 FROM nowhere")
    assert "nowhere" in at.error[0].value
    assert sentinel(at)["errors"] == "1"
    assert at.selectbox(key="sql-table").options


def test_a_statement_in_the_address_is_run(app):
    at = app("views/sql.py", q="SELECT 6 * 7 AS answer")
    assert at.dataframe[0].value["answer"].tolist() == [42]
