"""The edge to SQL: one file per panel, parameters bound by the server, frames back, failures in words.

No Streamlit here; dashboard/ui/data.py adds the cache.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

import clickhouse_connect
import pandas as pd
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import (
    ClickHouseError,
    DataError,
    InternalError,
    NotSupportedError,
    StreamFailureError,
)

from dashboard.config import Config, SqlEndpoint
from dashboard.errors import AccessDeniedError, QueryError, QueryRejectedError, SchemaMissingError, UnreachableError
from dashboard.filters import Filters, InvocationFilters, InvocationKey
from dashboard.rollups import Held, Span, of_held, span_of
from dashboard.timeaxis import Window, step_for

QUERIES: Final = Path(__file__).parent / "queries"

Value = str | int | float | tuple[str, ...]
Params = Mapping[str, Value]

# https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
MISSING_CODES: Final = {46, 47, 60, 81}
"""UNKNOWN_FUNCTION, UNKNOWN_IDENTIFIER, UNKNOWN_TABLE, UNKNOWN_DATABASE."""
DENIED_CODES: Final = {192, 193, 194, 516}
"""UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, AUTHENTICATION_FAILED."""
TIMEOUT_CODES: Final = {159, 160}
"""TIMEOUT_EXCEEDED, TOO_SLOW."""
UNREADABLE: Final = (DataError, InternalError, NotSupportedError)
"""What the client raises over an answer that it cannot decode."""
UNREADABLE_WHERE_TYPED: Final = (*UNREADABLE, StreamFailureError)
"""Of a statement that somebody typed it may be that too, where the answer is in another form than the client expects.
The statements of panels have answers that it can decode: there it means that the connection has ended.
"""


_INCLUDE: Final = re.compile(r"^ *-- include (\w+)\n", re.MULTILINE)


@cache
def statement(name: str) -> str:
    """The text of one panel's query.

    A line ``-- include name`` in it stands for ``queries/shared/name.sql``: what several of them have to say alike.

    Raises:
        FileNotFoundError: there is no such file under queries/.
    """
    text = (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda found: (QUERIES / "shared" / f"{found[1]}.sql").read_text(encoding="utf-8"), text)


SHORT_S: Final = 6 * 3600
"""Of so long a time invocations are read one by one; of a longer one the rollups are, where they know what is asked."""
LONG: Final = {
    "invocations_summary": "invocations_summary_long",
    "invocations_over_time": "invocations_over_time_long",
    "invocations_percentiles": "invocations_percentiles_long",
    "cold_start_functions": "cold_start_functions_long",
    "init_by_version": "init_by_version_long",
    "concurrency_peaks": "concurrency_peaks_long",
    "fleet_functions": "fleet_functions_long",
    "sandboxes_over_time": "sandboxes_over_time_long",
}
"""The statement of a panel for a longer time."""
SHORT: Final = {"concurrency_highest": "concurrency_peaks"}
"""The statement of a panel for a time that is not longer, where it is that of another panel."""


def statement_name(name: str, window: Window, more: Params) -> str:
    """The file that answers a panel's question for this window.

    Args:
        name: of the panel.
        window: the time asked for.
        more: the panel's own parameters: of what :func:`invocation_params` chooses the rollups know nothing.
    """
    chooses = any(more.get(key, value) != value for key, value in invocation_params(InvocationFilters()).items())
    # "The last six hours" are up to a step longer, so that they end on a whole one.
    short = window.span_s <= SHORT_S + step_for(SHORT_S)
    return SHORT.get(name, name) if chooses or short else LONG.get(name, name)


def instant(at: datetime) -> str:
    """An instant as a ClickHouse DateTime64 parameter in UTC, to the millisecond."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"


def window_params(window: Window) -> dict[str, Value]:
    """The parameters ``from``, ``to`` and ``bucket_s``."""
    return {"from": instant(window.begin), "to": instant(window.end), "bucket_s": window.bucket_s}


def filter_params(filters: Filters, window: Window) -> dict[str, Value]:
    """The parameters of every panel: the window and the choices that hold on every page."""
    return {
        **window_params(window),
        "functions": filters.functions,
        "account": filters.account,
        "region": filters.region,
    }


NO_INSTANT: Final = "1970-01-01 00:00:00.000"


def invocation_params(chosen: InvocationFilters) -> dict[str, Value]:
    """The further parameters of the panels on the page of invocations."""
    until = chosen.until or chosen.at
    return {
        "status": chosen.status,
        "cold_only": int(chosen.cold_only),
        "min_ms": float(chosen.min_ms),
        "request": chosen.request,
        "at": instant(chosen.at) if chosen.at else NO_INSTANT,
        "until": instant(until) if until else NO_INSTANT,
    }


ALWAYS: Final = ("1970-01-02 00:00:00.000", "2200-01-01 00:00:00.000")


def key_params(key: InvocationKey) -> dict[str, Value]:
    """The parameters that name one attempt of an invocation, and the time in which to look for it."""
    begin, end = ALWAYS
    if key.start is not None:
        begin, end = instant(key.start - timedelta(minutes=1)), instant(key.start + timedelta(minutes=1))
    time: dict[str, Value] = {"from": begin, "to": end}
    return {"request": key.request_id, "instance": key.instance_id, "attempt": key.attempt, **time}


@dataclass(frozen=True, slots=True)
class QueryRows:
    """What came of a statement that somebody typed."""

    frame: pd.DataFrame
    cut: bool
    """Whether there were more rows than are here."""
    took_ms: float


@dataclass(frozen=True, slots=True)
class SqlSource:
    """An open connection to the endpoint. Safe to share between threads: it holds no ClickHouse session."""

    client: Client
    endpoint: SqlEndpoint
    held: Held = field(default_factory=Held, compare=False, repr=False)

    def frame(self, sql: str, params: Params, settings: Mapping[str, str] | None = None) -> pd.DataFrame:
        """Run a statement.

        Args:
            sql: one statement with ``{name:Type}`` parameters.
            params: their values.
            settings: of ClickHouse; those that the endpoint lets nobody change are left out.

        Returns:
            The rows, with instants as aware UTC.

        Raises:
            QueryError: there is no result; the message is for the screen.
        """
        changeable = self._changeable(settings or {})
        span = span_of(sql, params)
        if span is not None and self.held.get(span, lambda: self._hold(span, changeable)):
            sql = of_held(sql, statement)
        return self._frame(sql, params, changeable)

    def _hold(self, span: Span, settings: Mapping[str, str]) -> bool:
        """Whether all rollups of a time hold."""
        params = {"from": instant(span.begin), "to": instant(span.end)}
        return bool(self._frame(statement("rollups_hold"), params, settings)["Hold"].iloc[0])

    def _frame(
        self,
        sql: str,
        params: Params,
        settings: Mapping[str, str],
        unreadable: tuple[type[ClickHouseError], ...] = UNREADABLE,
    ) -> pd.DataFrame:
        bound = {name: list(value) if isinstance(value, tuple) else value for name, value in params.items()}
        try:
            return aware(self.client.query_df(sql, parameters=bound, settings=dict(settings), tz_mode="aware"))
        except (ClickHouseError, OSError) as error:
            raise explain(error, self.endpoint, unreadable) from error

    def ask(self, sql: str, max_rows: int) -> QueryRows:
        """Run a statement that somebody typed: reading only, and not more rows than a browser can take.

        Raises:
            QueryError: there is no result; the message is for the screen.
        """
        began = time.monotonic()
        limits = {"readonly": "2", "max_result_rows": str(max_rows + 1), "result_overflow_mode": "break"}
        frame = self._frame(sql.strip().rstrip(";"), {}, self._changeable(limits), UNREADABLE_WHERE_TYPED)
        took_ms = (time.monotonic() - began) * 1000
        return QueryRows(frame.head(max_rows), cut=len(frame) > max_rows, took_ms=took_ms)

    def _changeable(self, settings: Mapping[str, str]) -> dict[str, str]:
        known = self.client.server_settings
        return {name: value for name, value in settings.items() if name in known and not known[name].readonly}


def connect(config: Config) -> SqlSource:
    """Open the connection.

    Raises:
        QueryError: nobody answers, or not to us; the message is for the screen.
    """
    endpoint = config.sql
    try:
        client = clickhouse_connect.get_client(
            interface=endpoint.scheme,
            host=endpoint.host,
            port=endpoint.port,
            username=endpoint.user,
            password=endpoint.password,
            database=endpoint.database,
            autogenerate_session_id=False,
            connect_timeout=min(5, config.sql_timeout_s),
            send_receive_timeout=config.sql_timeout_s,
            query_retries=0,
            client_name="lambdascope-dashboard",
        )
    except (ClickHouseError, OSError) as error:
        raise explain(error, endpoint) from error
    return SqlSource(client, endpoint)


def aware(frame: pd.DataFrame) -> pd.DataFrame:
    """The same frame with every column of instants aware and in UTC."""
    for name in frame.columns:
        if isinstance(frame[name].dtype, pd.DatetimeTZDtype):
            frame[name] = frame[name].dt.tz_convert("UTC")
        elif pd.api.types.is_datetime64_any_dtype(frame[name].dtype):
            frame[name] = frame[name].dt.tz_localize("UTC")
    return frame


def explain(
    error: Exception, endpoint: SqlEndpoint, unreadable: tuple[type[ClickHouseError], ...] = UNREADABLE
) -> QueryError:
    """The failure in one sentence for the person at the screen.

    Args:
        error: what was raised.
        endpoint: by whom.
        unreadable: what stands for an answer that cannot be decoded.
    """
    code = _code(error)
    why = reason(str(error), endpoint)
    at = endpoint.shown
    if code in DENIED_CODES:
        return AccessDeniedError(
            f"{at} refuses the user '{endpoint.user}'. Check the user and password in LAMBDASCOPE_SQL_URL."
        )
    if code in MISSING_CODES:
        return SchemaMissingError(
            f"{at} answers, but lacks what is asked for: {why} Check the statement, and that this is the collector, or "
            "the database that the collector writes to."
        )
    if code in TIMEOUT_CODES or "timed out" in str(error):
        return UnreachableError(
            f"{at} did not answer in time. Ask about a shorter time, or allow more by LAMBDASCOPE_SQL_TIMEOUT_S."
        )
    if code is not None:
        return QueryRejectedError(f"{at} rejects the query: {why}")
    if isinstance(error, unreadable):
        return QueryRejectedError(
            f"{at} answers with what cannot be shown: {why} States of aggregate functions can after "
            "finalizeAggregation, and of EXPLAIN all kinds but AST. Other answers that end so were cut off: ask again."
        )
    return UnreachableError(
        f"The SQL endpoint {at} cannot be reached: {why} "
        "Start the collector (python -m collector), or set LAMBDASCOPE_SQL_URL to where it is."
    )


def _code(error: Exception) -> int | None:
    """ClickHouse's number of the error; None where the server said none. The text is more exact than the header."""
    found = re.search(r"Code: (\d+)", str(error))
    if found:
        return int(found[1])
    code = getattr(error, "code", None)
    return int(code) if code is not None else None


def reason(text: str, endpoint: SqlEndpoint) -> str:
    """The heart of a failure, as a short sentence, without the password should the server have echoed it."""
    for pattern in (r"\[Errno -?\d+\] ([^'\")]+)", r"DB::Exception: (.+?)(?: \([A-Z_]+\)|$)", r"\A(.+?)$"):
        found = re.search(pattern, text, re.MULTILINE)
        if found:
            line = found[1].strip()
            break
    else:
        line = "no reason given"
    if endpoint.password:
        line = line.replace(endpoint.password, "…")
    return (line if len(line) <= 300 else line[:299] + "…").rstrip(".") + "."


def names(frame: pd.DataFrame, column: str) -> list[str]:
    """One column as strings."""
    return [str(value) for value in frame[column]] if column in frame else []
