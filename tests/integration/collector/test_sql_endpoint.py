"""The SQL endpoint with real clients, and what nobody can do through it."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path
from urllib.parse import urlencode

import clickhouse_connect
import grpc
import pytest
import urllib3
from backports import zstd
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from tests.support.collector import CollectorProcess, lambda_span, running_collector, trace_request, wait_for_rows


@pytest.fixture(scope="module")
def collector() -> Iterator[CollectorProcess]:
    flags = (
        "--sql-max-rows",
        "100000",
        "--sql-max-seconds",
        "3",
        "--sql-max-memory-bytes",
        "200MiB",
        "--linger-ms",
        "50",
    )
    with running_collector(*flags) as process, grpc.insecure_channel(process.addresses.grpc) as channel:
        TraceServiceStub(channel).Export(trace_request([lambda_span("invoke", start_ns=10**18, duration_ns=5)] * 3))
        client = process.sql()
        wait_for_rows(client, "SELECT 1 FROM otel_traces", 3)
        client.close()
        yield process


@pytest.fixture(scope="module")
def http(collector: CollectorProcess) -> Iterator[urllib3.HTTPConnectionPool]:
    host, _, port = collector.addresses.sql.partition(":")
    with urllib3.HTTPConnectionPool(host, int(port), retries=False, timeout=30, maxsize=8) as pool:
        yield pool


def get(
    http: urllib3.HTTPConnectionPool, query: str, headers: dict[str, str] | None = None, /, **fields: str
) -> urllib3.BaseHTTPResponse:
    return http.request("GET", "/?" + urlencode({"query": query, **fields}), headers=headers, decode_content=False)


# Clients -------------------------------------------------------------------------------------------------------------


def test_clickhouse_connect(sql: Client) -> None:
    """Queries, parameters of all kinds, frames, streams, and errors."""
    text = "quote ' backslash \\ tab \t newline \n \u00e4"
    parameters = {"text": text, "number": 2**40, "list": [1, 2], "none": None}
    query = "SELECT {text:String}, {number:Int64}, {list:Array(Int8)}, {none:Nullable(String)}"
    assert sql.query(query, parameters=parameters).result_rows == [(text, 2**40, [1, 2], None)]
    assert sql.query_df("SELECT number AS n FROM numbers(3)")["n"].tolist() == [0, 1, 2]
    assert sql.query_arrow("SELECT number AS n FROM numbers(3)").column("n").to_pylist() == [0, 1, 2]
    assert sql.command("SELECT count() FROM otel_traces") == 3
    with sql.query_row_block_stream("SELECT number FROM numbers(90000)") as stream:
        assert sum(len(block) for block in stream) == 90000
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE") as raised:
        sql.query("SELECT * FROM nowhere")
    assert raised.value.code == 60


def test_clickhouse_connect_with_its_defaults(collector: CollectorProcess) -> None:
    """With a session, a database, a user, and settings of its own."""
    host, _, port = collector.addresses.sql.partition(":")
    with clickhouse_connect.get_client(
        host=host, port=int(port), username="default", password="", database="default", settings={"max_result_rows": 10}
    ) as client:
        assert client.query("SELECT count() FROM otel_traces").result_rows == [(3,)]
        with pytest.raises(DatabaseError, match="TOO_MANY_ROWS_OR_BYTES"):
            client.query("SELECT number FROM numbers(1000)")
        lenient = {"max_result_rows": 1000, "max_execution_time": 2, "session_timezone": "Asia/Tokyo"}
        assert len(client.query("SELECT number FROM numbers(1000)", settings=lenient).result_rows) == 1000


@pytest.mark.parametrize("body", [b"a,1\n", b"\x04\x22\x4d\x18 not read" * 100_000], ids=["short", "too long"])
@pytest.mark.parametrize("encoding", ["", "lz4", "gzip", "zstd"])
def test_an_insert_is_refused_as_a_write(sql: Client, encoding: str, body: bytes) -> None:
    """Not for how its data is compressed or for their size: the statement is in the URL."""
    with pytest.raises(DatabaseError, match="INSERT: Cannot execute query in readonly mode") as raised:
        sql.raw_insert("otel_traces", ["SpanName"], (part for part in [body]), fmt="CSV", compression=encoding)
    assert raised.value.code == 164
    assert sql.query("SELECT count() FROM otel_traces").result_rows == [(3,)]


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
@pytest.mark.parametrize("name", ["short", "\u00e4" * 200, "\x01"], ids=["ASCII", "long", "control"])
def test_an_insert_in_the_body_is_refused_as_a_write(
    collector: CollectorProcess, compress: str | bool, name: str
) -> None:
    """clickhouse-connect's insert() puts the statement before the data and compresses both, by default with LZ4."""
    host, _, port = collector.addresses.sql.partition(":")
    with clickhouse_connect.get_client(host=host, port=int(port), compress=compress) as client:
        with pytest.raises(DatabaseError, match="INSERT: Cannot execute query in readonly mode") as raised:
            client.insert("otel_traces", [[name]] * 50, column_names=["SpanName"])
        assert raised.value.code == 164
        assert client.query("SELECT count() FROM otel_traces").result_rows == [(3,)]


def test_curl(collector: CollectorProcess) -> None:
    url = collector.addresses.sql_url
    command = ["curl", "-sS", "--get", "--data-urlencode", "query=SELECT 1 AS one FORMAT JSON", url]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout)
    assert answer["data"] == [{"one": 1}]
    posted = ["curl", "-sS", "-d", "SELECT count() FROM otel_traces", url]
    assert subprocess.run(posted, check=True, capture_output=True, timeout=30).stdout == b"3\n"


# The interface -------------------------------------------------------------------------------------------------------


def test_headers_of_an_answer(http: urllib3.HTTPConnectionPool) -> None:
    response = get(http, "SELECT number FROM numbers(3)", query_id="mine", default_format="JSONEachRow")
    assert response.status == 200
    assert response.data == b'{"number":0}\n{"number":1}\n{"number":2}\n'
    assert response.headers["X-ClickHouse-Query-Id"] == "mine"
    assert response.headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert response.headers["X-ClickHouse-Timezone"]
    assert json.loads(response.headers["X-ClickHouse-Summary"])["read_rows"] == "3"
    assert response.headers["Content-Type"] == "application/x-ndjson; charset=UTF-8"


@pytest.mark.parametrize(
    ("query", "status", "code", "word"),
    [
        ("SELEC 1", 400, "62", "SYNTAX_ERROR"),
        ("\n FORMAT Native", 400, "62", "Empty query"),
        ("DROP TABLE otel_traces", 500, "164", "READONLY"),
        ("SELECT 1 +", 400, "62", "SYNTAX_ERROR"),
        ("SELECT nope", 404, "47", "UNKNOWN_IDENTIFIER"),
        ("SELECT * FROM nope", 404, "60", "UNKNOWN_TABLE"),
        ("SELECT 1 FORMAT Nope", 404, "73", "UNKNOWN_FORMAT"),
        ("SELECT throwIf(1)", 500, "395", "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT 1 SETTINGS max_threads = 1", 500, "164", "READONLY"),
    ],
)
def test_errors(http: urllib3.HTTPConnectionPool, query: str, status: int, code: str, word: str) -> None:
    response = get(http, query)
    assert (response.status, response.headers["X-ClickHouse-Exception-Code"]) == (status, code)
    assert response.data.startswith(f"Code: {code}. DB::Exception: ".encode())
    assert word.encode() in response.data
    assert response.data.count(b"DB::Exception") == response.data.count(b"\n") == 1


def test_query_in_url_and_body(http: urllib3.HTTPConnectionPool) -> None:
    assert http.request("POST", "/?query=SELECT+1%2B", body=b"2").data == b"3\n"
    assert http.request("POST", "/", body=b"SELECT 1").data == b"1\n"
    fields = {"query": "SELECT {a:String}", "param_a": "form"}
    assert http.request("POST", "/", fields=fields).data == b"form\n"
    assert http.request("GET", "/").data == b"Ok.\n"
    assert http.request("GET", "/ping").data == b"Ok.\n"
    assert http.request("HEAD", "/ping").status == 200
    assert http.request("OPTIONS", "/").status == 204
    assert http.request("GET", "/elsewhere").status == 404


def test_database(http: urllib3.HTTPConnectionPool) -> None:
    assert get(http, "SELECT count() > 0 FROM one", database="system").data == b"1\n"
    response = get(http, "SELECT 1", database="no`where")
    assert (response.status, response.headers["X-ClickHouse-Exception-Code"]) == (404, "81")


def test_format_and_database_in_headers(http: urllib3.HTTPConnectionPool) -> None:
    """As ClickHouse: what the URL says wins, and a FORMAT clause wins over both."""
    headers = {"X-ClickHouse-Format": "JSONEachRow", "X-ClickHouse-Database": "system"}
    query = "SELECT database() AS d"
    response = get(http, query, headers)
    assert (response.data, response.headers["X-ClickHouse-Format"]) == (b'{"d":"system"}\n', "JSONEachRow")
    assert get(http, query, headers, default_format="CSV", database="default").data == b'"default"\n'
    assert get(http, query + " FORMAT TSV", headers).data == b"system\n"
    assert http.request("POST", "/", body=query.encode(), headers=headers).data == b'{"d":"system"}\n'
    response = get(http, query, {"X-ClickHouse-Format": "Nope"})
    assert (response.status, response.headers["X-ClickHouse-Exception-Code"]) == (404, "73")
    response = get(http, query, {"X-ClickHouse-Database": "no`where"})
    assert (response.status, response.headers["X-ClickHouse-Exception-Code"]) == (404, "81")


def test_compression(http: urllib3.HTTPConnectionPool) -> None:
    """As ClickHouse: an answer is compressed only where enable_http_compression=1 asks for it, too."""
    ways: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.decompress,
        "deflate": zlib.decompress,
        "zstd": zstd.decompress,
    }
    for encoding, decompress in ways.items():
        response = get(http, "SELECT 1", {"Accept-Encoding": f"nothing, {encoding};q=1"}, enable_http_compression="1")
        assert response.headers["Content-Encoding"] == encoding
        assert decompress(response.data) == b"1\n"
    plain = get(http, "SELECT 1", {"Accept-Encoding": "gzip"})
    assert ("Content-Encoding" in plain.headers, plain.data) == (False, b"1\n")
    body = gzip.compress(b"SELECT 5")
    assert http.request("POST", "/", body=body, headers={"Content-Encoding": "gzip"}).data == b"5\n"
    response = http.request("POST", "/", body=b"x", headers={"Content-Encoding": "gzip"})
    assert (response.status, response.headers["X-ClickHouse-Exception-Code"]) == (400, "36")


@pytest.mark.parametrize(
    ("name", "instead"), [("compress", "enable_http_compression=1"), ("decompress", "Content-Encoding")]
)
def test_the_framing_of_compressed_blocks_is_refused_with_what_to_take_instead(
    http: urllib3.HTTPConnectionPool, name: str, instead: str
) -> None:
    response = get(http, "SELECT 1", {"Accept-Encoding": "zstd"}, **{name: "1"})
    assert (response.status, response.headers["X-ClickHouse-Exception-Code"]) == (501, "48")
    assert response.data.startswith(f"Code: 48. DB::Exception: Compressed blocks ('{name}')".encode())
    assert instead.encode() in response.data
    assert get(http, "SELECT 1", **{name: "0"}).data == b"1\n"


def test_several_at_once(collector: CollectorProcess) -> None:
    """A slow query does not keep others waiting."""
    host, _, port = collector.addresses.sql.partition(":")
    with urllib3.HTTPConnectionPool(host, int(port), maxsize=8) as http, ThreadPoolExecutor(8) as threads:
        slow = threads.submit(get, http, "SELECT sleep(2.5)")
        quick = list(threads.map(lambda number: get(http, f"SELECT {number}").data, range(30)))
        assert not slow.done()
        assert quick == [f"{number}\n".encode() for number in range(30)]
        assert slow.result().data == b"0\n"


# Large results -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wide() -> Iterator[CollectorProcess]:
    """A collector whose limits let large results through."""
    flags = ("--sql-max-rows", "10000000", "--sql-max-result-bytes", "1GiB", "--sql-max-seconds", "60")
    with running_collector(*flags, "--linger-ms", "50") as process:
        yield process


@pytest.fixture(scope="module")
def wide_http(wide: CollectorProcess) -> Iterator[urllib3.HTTPConnectionPool]:
    host, _, port = wide.addresses.sql.partition(":")
    with urllib3.HTTPConnectionPool(host, int(port), retries=False, timeout=60, maxsize=8) as pool:
        yield pool


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_large_result_is_sent_while_it_is_made(wide: CollectorProcess, wide_http: urllib3.HTTPConnectionPool) -> None:
    """300 MB; the process grows by a part of that, although the client takes its time at the beginning."""
    assert get(wide_http, "SELECT 1").data == b"1\n"
    before = resident_bytes(wide.pid)
    query = urlencode({"query": "SELECT number, repeat('x', 100) FROM numbers(2800000)"})
    response = wide_http.request("GET", "/?" + query, preload_content=False)
    assert "Content-Length" not in response.headers
    size, most = 0, 0
    lines = 0
    for part in response.stream(1 << 20):
        size += len(part)
        lines += part.count(b"\n")
        most = max(most, resident_bytes(wide.pid))
    response.release_conn()
    assert (lines, size > 300_000_000) == (2_800_000, True)
    assert most - before < 200_000_000


@pytest.mark.parametrize("name", ["TabSeparated", "CSV", "JSONEachRow", "JSONCompactEachRow", "RowBinary", "Native"])
@pytest.mark.parametrize("encoding", ["", "gzip", "deflate", "zstd"])
def test_a_streamed_result_is_the_whole_one(wide_http: urllib3.HTTPConnectionPool, name: str, encoding: str) -> None:
    """Byte for byte what comes with ``wait_end_of_query=1``, which puts it together first."""
    query = f"SELECT number, toString(number) AS text FROM numbers(300000) WHERE number % 7 = 3 FORMAT {name}"
    headers = {"Accept-Encoding": encoding} if encoding else {}
    asked = {"enable_http_compression": "1"} if encoding else {}
    many = query.replace("% 7 = 3", ">= 0")
    for text in (query, many):
        whole = wide_http.request("GET", "/?" + urlencode({"query": text, "wait_end_of_query": "1"})).data
        streamed = wide_http.request("GET", "/?" + urlencode({"query": text, **asked}), headers=headers)
        assert streamed.data == whole
    assert "X-ClickHouse-Exception-Tag" in streamed.headers


@pytest.mark.parametrize(
    ("query", "settings"),
    [
        ("SELECT number % 3 AS x, count() FROM numbers(300000) GROUP BY x WITH TOTALS", {}),
        ("SELECT number FROM numbers(300000)", {"extremes": "1"}),
        ("SELECT number FROM numbers(300000) FORMAT JSONEachRow", {"output_format_json_array_of_rows": "1"}),
        ("SELECT number FROM numbers(300000) FORMAT JSON", {}),
        ("SELECT number FROM numbers(300000) FORMAT TSVWithNames", {}),
    ],
)
def test_a_result_with_something_around_its_rows_has_it_once(
    wide_http: urllib3.HTTPConnectionPool, query: str, settings: dict[str, str]
) -> None:
    response = get(wide_http, query, **settings)
    assert (response.status, "Content-Length" in response.headers) == (200, True)
    if "JSON" in query:
        rows = json.loads(response.data)
        assert len(rows if isinstance(rows, list) else rows["data"]) == 300_000
    else:
        assert response.data.count(b"\n\n") == ("TOTALS" in query or "extremes" in settings)
        assert response.data.count(b"number\n") == ("WithNames" in query)


FAILS_LATE = "SELECT number, repeat('x', 100), throwIf(number = 900000, 'too late') FROM numbers(1000000)"


@pytest.mark.parametrize("encoding", ["", "zstd", "gzip"])
def test_an_error_behind_a_part_of_a_result(wide: CollectorProcess, encoding: str) -> None:
    """As ClickHouse: between tags, and the body has no end, which tells clients that know nothing of tags."""
    fields = {"query": FAILS_LATE, "max_threads": "1", **({"enable_http_compression": "1"} if encoding else {})}
    with contextlib.closing(HTTPConnection(wide.addresses.sql, timeout=60)) as connection:
        connection.request("GET", "/?" + urlencode(fields), headers={"Accept-Encoding": encoding})
        response = connection.getresponse()
        assert response.status == 200
        with pytest.raises(IncompleteRead) as cut:
            response.read()
    decompress = {"zstd": zstd.decompress, "gzip": gzip.decompress}.get(encoding, bytes)
    body = decompress(cut.value.partial)
    tag = response.headers["X-ClickHouse-Exception-Tag"].encode()
    _, begin, error = body.partition(b"\r\n__exception__\r\n" + tag + b"\r\n")
    message, end, rest = error.partition(b" " + tag + b"\r\n__exception__\r\n")
    text, _, length = message.rpartition(b"\n")
    assert (bool(begin), bool(end), rest) == (True, True, b"")
    assert text.startswith(b"Code: 395. DB::Exception: too late")
    assert int(length) == len(text) + 1


def test_clickhouse_connect_finds_the_error_behind_a_part_of_a_result(wide: CollectorProcess) -> None:
    with wide.sql() as client:
        with pytest.raises(ClickHouseError, match="too late"):
            client.query(FAILS_LATE, settings={"max_threads": 1})
        assert client.query("SELECT count(), sum(number) FROM (SELECT number FROM numbers(10))").result_rows == [
            (10, 45)
        ]
        assert len(client.query("SELECT number FROM numbers(400000)").result_rows) == 400_000


def test_with_wait_end_of_query_the_error_is_the_answer(wide_http: urllib3.HTTPConnectionPool) -> None:
    response = get(wide_http, FAILS_LATE, wait_end_of_query="1")
    assert (response.status, response.headers["X-ClickHouse-Exception-Code"]) == (500, "395")


def test_a_client_that_leaves_a_large_result_gives_its_place_back(wide_http: urllib3.HTTPConnectionPool) -> None:
    """More of them than queries run at once."""
    endless = urlencode({"query": "SELECT number, repeat('x', 100) FROM numbers(9000000)"})
    for _ in range(6):
        response = wide_http.request("GET", "/?" + endless, preload_content=False)
        assert len(response.read(1 << 20)) == 1 << 20
        response.close()
    assert get(wide_http, "SELECT 1").data == b"1\n"
    running = "SELECT count() FROM system.processes WHERE query LIKE '%numbers(9000000)%' AND query NOT LIKE '%system%'"
    deadline = time.monotonic() + 30
    while get(wide_http, running).data != b"0\n":
        assert time.monotonic() < deadline
        time.sleep(0.05)


# Ends ----------------------------------------------------------------------------------------------------------------


ENDLESS = "SELECT count() FROM numbers(100000000000000)"


def test_a_query_ends_when_its_client_leaves(http: urllib3.HTTPConnectionPool) -> None:
    """Long before its limit, as system.processes shows."""
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        http.request("GET", "/?" + urlencode({"query": ENDLESS}), timeout=0.5)
    running = "SELECT count() FROM system.processes WHERE query LIKE 'SELECT count() FROM numbers%'"
    deadline = time.monotonic() + 2
    while get(http, running).data != b"0\n":
        assert time.monotonic() < deadline


def test_a_stop_does_not_wait_for_queries(tmp_path: Path) -> None:
    with running_collector("--sql-max-seconds", "600", data=tmp_path / "data") as process:
        client = process.sql()
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(client.query, ENDLESS)
            other = process.sql()
            wait_for_rows(other, "SELECT 1 FROM system.processes WHERE query LIKE 'SELECT count() FROM numbers%'", 1)
            other.close()
            assert process.stop() == 0
            assert running.exception(timeout=10) is not None
        client.close()


# Limits and walls ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("SELECT sleep(3), sleep(3)", "159"),
        ("SELECT number FROM numbers(200000)", "396"),
        ("SELECT repeat('x', 1000000) FROM numbers(100000) ORDER BY rand()", "241"),
    ],
)
@pytest.mark.parametrize("asked", [{}, {"max_execution_time": "0", "max_result_rows": "0", "max_memory_usage": "0"}])
def test_limits(http: urllib3.HTTPConnectionPool, query: str, code: str, asked: dict[str, str]) -> None:
    """Of time, rows and memory; a client that asks for none gets ours."""
    assert get(http, query, None, **asked).headers.get("X-ClickHouse-Exception-Code") == code


class Listener:
    """A port that counts who connects."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


OUTWARD = [
    "SELECT file('{secret}')",
    "SELECT * FROM file('{secret}', 'LineAsString', 'l String')",
    "SELECT * FROM file('{secret}')",
    "SELECT * FROM `{secret}`",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM `default`.`{secret}`",
    "DESCRIBE TABLE file('{secret}')",
    "DESCRIBE `{secret}`",
    "SELECT * APPLY(file) FROM (SELECT '{secret}')",
    "SELECT arrayMap(file, ['{secret}'])",
    "EXPLAIN SELECT file('{secret}')",
    "WITH file('{secret}') AS x SELECT x",
    "SELECT 1 INTO OUTFILE '{new}'",
    "SELECT 1 INTO OUTFILE '{new}' FORMAT CSV",
    "INSERT INTO FUNCTION file('{new}', 'CSV', 'a Int8') SELECT 1",
    "SELECT * FROM url('http://127.0.0.1:{port}/', 'LineAsString', 'l String')",
    "SELECT * FROM url('http://127.0.0.1:{port}/x.csv')",
    "DESCRIBE url('http://127.0.0.1:{port}/x.csv')",
    "SELECT * FROM 'http://127.0.0.1:{port}/x.csv'",
    "SELECT * FROM s3('http://127.0.0.1:{port}/bucket/x.csv')",
    "DESCRIBE s3('http://127.0.0.1:{port}/bucket/x.csv')",
    "SELECT * FROM remote('127.0.0.1:{port}', system.one)",
    "DESCRIBE remote('127.0.0.1:{port}', system.one)",
    "SELECT * FROM mysql('127.0.0.1:{port}', 'd', 't', 'u', 'p')",
    "SELECT * FROM executable('echo', 'TSV', 'a String')",
    "SELECT * FROM python(sys)",
    "SELECT 1 WHERE 1 IN (SELECT * FROM url('http://127.0.0.1:{port}/', 'TSV', 'a Int8'))",
    "CREATE TABLE t (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE t (a Int8)",
    "INSERT INTO otel_traces (SpanName) VALUES ('x')",
    "ALTER TABLE otel_traces DELETE WHERE 1",
    "TRUNCATE TABLE otel_traces",
    "DROP TABLE otel_traces",
    "OPTIMIZE TABLE otel_traces FINAL",
    "SYSTEM SHUTDOWN",
    "KILL QUERY WHERE 1",
    "BACKUP TABLE otel_traces TO File('x')",
    "SET readonly = 0",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT * FROM (SELECT 1 SETTINGS max_result_rows = 0)",
    "SELECT 1; DROP TABLE otel_traces",
    "ATTACH DATABASE x",
    "DETACH TABLE otel_traces",
]


@pytest.mark.parametrize("query", OUTWARD)
def test_nothing_reaches_out_writes_or_lifts_a_limit(
    http: urllib3.HTTPConnectionPool, tmp_path: Path, query: str
) -> None:
    secret, new = tmp_path / "secret.csv", tmp_path / "new.csv"
    secret.write_text("top secret\n", encoding="utf-8")
    listener = Listener()
    try:
        response = get(http, query.format(secret=secret, new=new, port=listener.port), readonly="0")
        assert response.status >= 400
        assert "X-ClickHouse-Exception-Code" in response.headers
        assert b"top secret" not in response.data
        assert not new.exists()
        assert listener.connections == 0
        assert get(http, "SELECT count() FROM otel_traces").data == b"3\n"
    finally:
        listener.close()


def test_every_table_function_of_the_engine_is_known(http: urllib3.HTTPConnectionPool) -> None:
    """A new version of the engine may bring new ones: they are refused until somebody has looked at them."""
    for name in get(http, "SELECT name FROM system.table_functions").data.decode().split():
        response = get(http, f"DESCRIBE `{name}`()")
        if response.headers.get("X-ClickHouse-Exception-Code") != "446":
            assert name.lower() in ALLOWED_TABLE_FUNCTIONS


ALLOWED_TABLE_FUNCTIONS = {
    "format", "fuzzjson", "generate_series", "generaterandom", "generateseries", "merge", "null", "numbers",
    "numbers_mt", "primes", "sqlstandardvalues", "values", "view", "viewexplain", "viewifpermitted",
    "zeros", "zeros_mt",
}  # fmt: skip
