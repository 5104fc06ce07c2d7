"""Phases of init: the layer's own, and what says of itself that it is one."""

from datetime import UTC, datetime, timedelta

from collector.otlp.decode import decode
from collector.otlp.signals import Signal
from dashboard import sql
from dashboard.config import SqlEndpoint
from dashboard.filters import Filters
from dashboard.sql import SqlSource, filter_params
from dashboard.timeaxis import Window
from tests.support.cloudwatch import store_at
from tests.support.collector import lambda_span, trace_request

BEGIN = datetime(2026, 6, 1, 12, tzinfo=UTC)
MS = 1_000_000


def span_of(scope: str, name: str, took_ms: int, phase: str) -> bytes:
    start_ns = int(BEGIN.timestamp()) * 10**9
    request = trace_request([lambda_span(name, start_ns=start_ns, duration_ns=took_ms * MS, lambda__phase=phase)])
    request.resource_spans[0].scope_spans[0].scope.name = scope
    return request.SerializeToString()


def test_a_span_of_the_functions_own_that_is_called_init_is_no_phase(tmp_path):
    told = [
        span_of("lambdascope", "init", 100, "init"),
        span_of("another", "init", 300, "init"),
        span_of("another", "init", 10_000, ""),
        span_of("another", "init", 10_000, "invoke"),
    ]
    window = Window(BEGIN, BEGIN + timedelta(hours=1), 60, BEGIN + timedelta(days=1))
    with store_at(tmp_path) as (store, client):
        for number, rows in enumerate(decode(Signal.TRACES, told)):
            store.insert(rows, f"spans-{number}")
        source = SqlSource(client, SqlEndpoint("http", "127.0.0.1", 0))
        every, of_another = (
            source.frame(sql.statement("cold_start_phases"), filter_params(Filters(functions=functions), window))
            for functions in ((), ("another",))
        )
    assert (list(every["Count"]), list(every["TotalMs"])) == ([2], [400.0])
    assert of_another.empty
