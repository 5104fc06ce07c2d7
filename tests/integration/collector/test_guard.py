"""Who may export and query: tokens, tenants, rates, certificates, exposure; and what is covered before it is kept."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import clickhouse_connect
import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from collector.receiver.access import new_token
from tests.support.certificates import Authority
from tests.support.collector import (
    CollectorProcess,
    key_values,
    lambda_span,
    running_collector,
    trace_request,
    wait_for_rows,
)

START_NS = time.time_ns() - 3 * 86_400 * 10**9  # recent: what is older than the retention is removed


def body(name: str, **attributes: str) -> bytes:
    span = lambda_span(name, start_ns=START_NS, duration_ns=1)
    span.attributes.extend(key_values({key.replace("__", "."): value for key, value in attributes.items()}))
    return trace_request([span]).SerializeToString()


def post(url: str, data: bytes, token: str = "", context: ssl.SSLContext | None = None) -> int:
    headers = {"Content-Type": "application/x-protobuf"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def eventually(what: Callable[[], bool], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_tokens_tenants_and_their_rotation(tmp_path: Path) -> None:
    """No token, a wrong one, an old one: refused. A tenant's telemetry goes to its database only."""
    (mine, my_hash), (theirs, their_hash), (later, later_hash) = new_token(), new_token(), new_token()
    tokens = tmp_path / "tokens"
    tokens.write_text(f"# two of us\n{my_hash}\n{their_hash} tenant=theirs\n")
    with running_collector("--tokens", str(tokens), "--linger-ms", "20", data=tmp_path / "data") as process:
        url = f"{process.addresses.http_url}/v1/traces"
        assert [post(url, body("a")), post(url, body("b"), "wrong"), post(url, body("c"), mine)] == [401, 401, 200]
        assert post(url, body("d"), theirs) == 200
        with grpc.insecure_channel(process.addresses.grpc) as channel:
            export = TraceServiceStub(channel).Export
            request = trace_request([lambda_span("e", start_ns=START_NS, duration_ns=1)])
            with pytest.raises(grpc.RpcError) as refused:
                export(request)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            export(request, metadata=(("authorization", f"Bearer {theirs}"),))
        client = process.sql()
        names = "SELECT SpanName FROM {}otel_traces ORDER BY ALL"
        assert wait_for_rows(client, names.format("theirs."), 2) == [("d",), ("e",)]
        assert wait_for_rows(client, "SELECT DISTINCT length(TraceId) FROM theirs.otel_traces_trace_id_ts", 1) == [
            (32,)
        ]
        assert wait_for_rows(client, names.format(""), 1) == [("c",)]
        client.close()
        tokens.write_text(f"{later_hash}\n")
        eventually(lambda: post(url, body("f"), later) == 200)
        assert post(url, body("g"), mine) == 401
        tokens.write_text("nonsense\n")  # a bad file changes nothing
        eventually(lambda: "the tokens of before stay in force" in process.stderr or post(url, b"", later) != 200)
        assert post(url, body("h"), later) == 200
        assert my_hash not in process.stderr


def test_a_tenants_repeat_is_its_own(tmp_path: Path) -> None:
    """The same sandbox and number of another tenant is no repeat; over a restart, the same tenant's is."""
    (one, one_hash), (two, two_hash) = new_token(), new_token()
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{one_hash} tenant=one\n{two_hash} tenant=two\n")
    process = CollectorProcess(tmp_path / "data", ["--tokens", str(tokens), "--linger-ms", "20"])
    for _ in range(2):
        process.start()
        for token in (one, two, one):
            headers = {"Content-Type": "application/x-protobuf", "Authorization": f"Bearer {token}"}
            headers |= {"x-lambdascope-instance": "i", "x-lambdascope-sequence": "1"}
            request = urllib.request.Request(f"{process.addresses.http_url}/v1/traces", body("x"), headers)
            urllib.request.urlopen(request, timeout=10).close()
        client = process.sql()
        for tenant in ("one", "two"):
            assert wait_for_rows(client, f"SELECT SpanName FROM {tenant}.otel_traces", 1) == [("x",)]
        client.close()
        process.stop()


def test_a_tokens_rate(tmp_path: Path) -> None:
    """Beyond it: 429 with Retry-After, UNAVAILABLE with RetryInfo, as OTLP's throttling is; others are not hindered."""
    (slow, slow_hash), (fast, fast_hash) = new_token(), new_token()
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{slow_hash} items_per_s=1\n{fast_hash}\n")
    with running_collector("--tokens", str(tokens), data=tmp_path / "data") as process:
        url = f"{process.addresses.http_url}/v1/traces"
        answers = [post(url, body(f"s{number}"), slow) for number in range(10)]
        assert answers[0] == 200
        assert 429 in answers
        request = trace_request([lambda_span(f"g{n}", start_ns=START_NS, duration_ns=1) for n in range(50)])
        with grpc.insecure_channel(process.addresses.grpc) as channel, pytest.raises(grpc.RpcError) as refused:
            TraceServiceStub(channel).Export(request, metadata=(("authorization", f"Bearer {slow}"),))
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert any(
            b"RetryInfo" in (item.value or b"")
            for item in refused.value.trailing_metadata()
            if item.key.endswith("-bin")
        )
        assert [post(url, body(f"f{number}"), fast) for number in range(10)] == [200] * 10


def test_certificates_and_their_change(tmp_path: Path) -> None:
    """mTLS on gRPC, HTTP and SQL; new certificates are used without a restart."""
    first, second = Authority(tmp_path, "first"), Authority(tmp_path, "second")
    certificate, key = first.sign("server")
    client_certificate, client_key = first.sign("client")
    flags = ["--tls-certificate", str(certificate), "--tls-key", str(key), "--linger-ms", "20"]
    flags += ["--tls-client-authority", str(first.certificate)]
    with running_collector(*flags, data=tmp_path / "data") as process:
        url = f"https://{process.addresses.http}/v1/traces"

        def context(authority: Authority, *, with_client: bool = True) -> ssl.SSLContext:
            made = ssl.create_default_context(cafile=str(authority.certificate))
            if with_client:
                made.load_cert_chain(client_certificate, client_key)
            return made

        def over_grpc(authority: Authority) -> bool:
            credentials = grpc.ssl_channel_credentials(
                authority.certificate.read_bytes(), client_key.read_bytes(), client_certificate.read_bytes()
            )
            with grpc.secure_channel(process.addresses.grpc, credentials) as channel:
                try:
                    TraceServiceStub(channel).Export(trace_request([]), timeout=5)
                except grpc.RpcError:
                    return False
                return True

        assert post(url, body("a"), context=context(first)) == 200
        assert over_grpc(first)
        with pytest.raises((OSError, urllib.error.URLError)):
            post(url, body("b"), context=context(first, with_client=False))
        with pytest.raises((OSError, http.client.HTTPException)):
            post(url.replace("https", "http"), body("c"))
        query = urllib.request.Request(f"https://{process.addresses.sql}/?query=SELECT+1")
        with urllib.request.urlopen(query, timeout=10, context=context(first)) as answer:
            assert answer.read() == b"1\n"

        second.sign("server")

        def trusts_second() -> bool:
            try:
                return post(url, body("d"), context=context(second)) == 200
            except OSError:
                return False

        eventually(trusts_second)
        eventually(lambda: over_grpc(second))


def test_other_addresses_need_tokens_or_a_word(tmp_path: Path) -> None:
    """Nobody opens a collector to a network by accident."""
    process = CollectorProcess(tmp_path / "data", ["--host", "0.0.0.0"])
    process.launch()
    assert process.wait() == 2
    assert "set --tokens and --sql-passwords, or --allow-unauthenticated yes" in process.stderr
    process = CollectorProcess(tmp_path / "data", ["--host", "0.0.0.0", "--allow-unauthenticated", "yes"])
    process.start()
    assert "0.0.0.0 is open to whoever reaches it" in process.stderr
    process.stop()


def test_queries_need_their_password(tmp_path: Path) -> None:
    """As ClickHouse takes it: X-ClickHouse-Key, basic authentication, or in the URL; the refusal is ClickHouse's."""
    password, digest = new_token()
    passwords = tmp_path / "passwords"
    passwords.write_text(digest)
    with running_collector("--sql-passwords", str(passwords), data=tmp_path / "data") as process:
        host, _, port = process.addresses.sql.rpartition(":")
        client = clickhouse_connect.get_client(host=host, port=int(port), password=password)
        assert client.command("SELECT 1") == 1
        client.close()
        for headers, query in (({"X-ClickHouse-Key": password}, ""), ({}, f"&password={password}")):
            request = urllib.request.Request(f"{process.addresses.sql_url}/?query=SELECT+1{query}", headers=headers)
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert answer.read() == b"1\n"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{process.addresses.sql_url}/?query=SELECT+1", timeout=10)
        with refused.value as answer:
            assert (answer.code, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "516")


def test_rules_are_applied_before_anything_is_kept(tmp_path: Path) -> None:
    """Not even the spool has what a rule covers."""
    rules = tmp_path / "rules"
    rules.write_text("# what must not leave\ndrop http.request.header.*\ncover user.email\npattern AKIA[A-Z0-9]{16}\n")
    secret = "AKIAIOSFODNN7EXAMPLE"
    flags = ("--redaction", str(rules), "--linger-ms", "60000")
    with running_collector(*flags, data=tmp_path / "data") as process:
        attributes = {"user__email": "me@example.com", "http__request__header__cookie": "c=1", "key": f"id {secret}."}
        assert post(f"{process.addresses.http_url}/v1/traces", body("a", **attributes)) == 200
        logs = ExportLogsServiceRequest()
        record = logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=START_NS)
        record.body.kvlist_value.values.add(key="nested").value.string_value = secret
        assert post(f"{process.addresses.http_url}/v1/logs", logs.SerializeToString()) == 200
        kept = b"".join(path.read_bytes() for path in (tmp_path / "data" / "spool").glob("*.segment"))
        assert b"example.com" not in kept
        assert secret.encode() not in kept
        process.stop()
        process.start()
        client = process.sql()
        rows = wait_for_rows(client, "SELECT SpanAttributes FROM otel_traces", 1)
        found = rows[0][0]
        assert isinstance(found, dict)
        assert {name: found.get(name) for name in ("user.email", "key", "http.request.header.cookie")} == {
            "user.email": "***",
            "key": "id ***.",
            "http.request.header.cookie": None,
        }
        assert wait_for_rows(client, "SELECT Body FROM otel_logs", 1) == [('{"nested":"***"}',)]
        client.close()
