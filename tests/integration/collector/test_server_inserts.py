"""What the collector asks of a server with each insert, as the server's own engine understood it."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.config import StoreUrl
from collector.native.library import load
from collector.otlp.decode import decode
from collector.otlp.signals import Signal
from collector.store.clickhouse import ClickHouseStore
from tests.support.clickhouse_server import ClickHouseServer, free_port
from tests.support.collector import lambda_span, trace_request


@pytest.mark.parametrize("decoded_by", ["library", "python", "clickhouse"])
def test_an_insert_through_a_distributed_table_waits_for_the_shards(tmp_path: Path, decoded_by: str) -> None:
    """Else ClickHouse acknowledges what is a file on one server's disk, and the collector forgets it."""
    server = ClickHouseServer(tmp_path, free_port())
    server.start()
    store = ClickHouseStore(StoreUrl(f"http://127.0.0.1:{server.port}/default"))
    try:
        client = store.open()
        client.command(
            "ALTER TABLE otel_traces ADD COLUMN Waits UInt8 DEFAULT getSetting('distributed_foreground_insert')"
        )
        body = trace_request([lambda_span("x", start_ns=10**18, duration_ns=1)]).SerializeToString()
        if decoded_by == "library":
            block = load()[Signal.TRACES].block([body])
            assert block is not None
            store.insert_block(block, "token")
        elif decoded_by == "python":
            for rows in decode(Signal.TRACES, [body]):
                store.insert(rows, "token")
        else:
            store.insert_encoded(Signal.TRACES, [body], "token")
        assert client.query("SELECT SpanName, Waits FROM otel_traces").result_rows == [("x", 1)]
    finally:
        store.close()
        server.kill()
