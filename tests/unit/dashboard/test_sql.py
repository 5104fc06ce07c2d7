"""Statements and what is bound to them; failures in words."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError, StreamFailureError

from dashboard import sql
from dashboard.config import SqlEndpoint
from dashboard.errors import AccessDeniedError, QueryRejectedError, SchemaMissingError, UnreachableError
from dashboard.filters import Filters, InvocationFilters, InvocationKey
from dashboard.sql import ALWAYS, NO_INSTANT, explain, filter_params, instant, invocation_params, key_params, reason
from dashboard.timeaxis import relative_window
from semconv import tables

ENDPOINT = SqlEndpoint("http", "ch", 8123, "me", "hunter2")
NOW = datetime(2026, 3, 1, 12, 34, 56, 789_999, UTC)
QUERIES = sorted(path.stem for path in sql.QUERIES.glob("*.sql"))
OF_ONE_PANEL = {"since", "span_s", "limit", "trace", "instances", "quantum_ms"}


def bindable() -> set[str]:
    window = Filters().window(NOW)
    return {
        *filter_params(Filters(), window),
        *invocation_params(InvocationFilters()),
        *key_params(InvocationKey("r")),
        *OF_ONE_PANEL,
    }


@pytest.mark.parametrize("name", QUERIES)
def test_a_statement_says_what_it_answers_and_binds_what_it_needs(name):
    text = sql.statement(name)
    assert text.startswith("-- ")
    assert set(re.findall(r"\{(\w+):", text)) <= bindable()


INNER = {
    "lambda_invocations_between",
    "system.columns",
    # Names and extents alone, which need no merge.
    "lambda_invocation_parts",
    "lambda_sandbox_parts",
    # To know how much there is to read, roughly.
    "lambda_rollups",
    "lambda_rollup_state",
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_statement_reads_the_tables_that_anyone_may_query(name):
    text = sql.statement(name)
    own = set(re.findall(r"\b(\w+) AS\s+\(", text))  # WITH peaks AS (…)
    read = set(re.findall(r"\bFROM\s+([a-z_.]+)", text)) - own
    public = {value for key, value in vars(tables).items() if key.isupper()}
    assert read <= public | INNER


@pytest.mark.parametrize("name", QUERIES)
def test_no_value_is_written_into_a_statement(name):
    assert not re.search(r"%s|%\(|\$\{|\{\}", sql.statement(name))


@pytest.mark.parametrize(
    ("span_s", "chosen", "long"),
    [
        (6 * 3600, InvocationFilters(), False),
        (7 * 3600, InvocationFilters(), True),
        (30 * 86_400, InvocationFilters(status="failed"), False),
        (30 * 86_400, InvocationFilters(min_ms=1), False),
    ],
)
def test_of_a_long_time_the_rollups_are_read_where_they_know_what_is_asked(span_s, chosen, long):
    window = relative_window(span_s, NOW)
    for name in sql.LONG:
        assert (sql.statement_name(name, window, invocation_params(chosen)) != name) is long
    assert sql.statement_name("invocations_histogram", window, invocation_params(chosen)) == "invocations_histogram"


def test_instants_are_bound_in_utc_to_the_millisecond():
    assert instant(NOW) == "2026-03-01 12:34:56.789"
    assert instant(NOW.astimezone(tz=None)) == "2026-03-01 12:34:56.789"


def test_unset_filters_bind_to_what_the_statements_take_for_any():
    assert invocation_params(InvocationFilters()) == {
        "status": "",
        "cold_only": 0,
        "min_ms": 0.0,
        "request": "",
        "at": NO_INSTANT,
        "until": NO_INSTANT,
    }


def test_an_invocation_is_looked_for_around_its_start_where_the_link_says_it():
    anywhere, there = key_params(InvocationKey("r")), key_params(InvocationKey("r", "i", 2, NOW))
    assert (anywhere["from"], anywhere["to"]) == ALWAYS
    assert there["from"] == instant(NOW - timedelta(minutes=1))
    assert (there["instance"], there["attempt"]) == ("i", 2)


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (
            OperationalError('(Caused by NewConnectionError("…: [Errno 111] Connection refused")) (http://ch)'),
            UnreachableError,
            "http://me@ch:8123 cannot be reached: Connection refused.",
        ),
        (OSError(113, "No route to host"), UnreachableError, "No route to host"),
        (StreamFailureError("Stream ended unexpectedly (connection closed by server)"), UnreachableError, "ended"),
        (OperationalError("HTTPConnectionPool: Read timed out. (read timeout=20)"), UnreachableError, "in time"),
        (DatabaseError("Code: 159. DB::Exception: Timeout exceeded (TIMEOUT_EXCEEDED)"), UnreachableError, "shorter"),
        (
            DatabaseError("code: 1, server response: Code: 60. DB::Exception: Unknown table 'x'. (UNKNOWN_TABLE)"),
            SchemaMissingError,
            "Unknown table 'x'.",
        ),
        (
            DatabaseError("Code: 516. DB::Exception: me: Authentication failed (AUTHENTICATION_FAILED)"),
            AccessDeniedError,
            "refuses the user 'me'",
        ),
        (DatabaseError("Code: 62. DB::Exception: Syntax error (SYNTAX_ERROR)"), QueryRejectedError, "Syntax error."),
    ],
)
def test_a_failure_is_one_sentence_that_names_the_url_and_what_to_do(error, kind, says):
    told = explain(error, ENDPOINT)
    assert type(told) is kind
    assert says in str(told)
    assert ENDPOINT.shown in str(told)
    assert "\n" not in str(told)


def test_a_password_that_the_server_echoes_is_not_shown():
    assert "hunter2" not in reason("Code: 62. DB::Exception: no such thing as hunter2", ENDPOINT)


def test_a_long_reason_is_cut():
    assert len(reason("DB::Exception: " + "x" * 5000, ENDPOINT)) <= 301
