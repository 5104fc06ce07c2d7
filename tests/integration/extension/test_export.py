"""The way to the collector when it is bad: nothing is lost that need not be, and no invocation pays for it."""

import os
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.extension import (
    Extension,
    FakeCollector,
    FakeLambda,
    Invocation,
    attributes,
    plain,
    running_extension,
    wait_until,
)


@contextmanager
def running(fake: FakeLambda, collector: FakeCollector, directory: Path, **environ: str) -> Iterator[Extension]:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, **environ}
    with running_extension(fake.address, directory, settings) as ext:
        yield ext


def invoke_many(fake: FakeLambda, count: int, first: int = 1) -> list[Invocation]:
    """So many invocations, each with the report of the one before it."""
    done: list[Invocation] = []
    for number in range(first, first + count):
        done.append(fake.run_invocation(f"request-{number}", number))
        fake.wait_for_next(number + 1)
        fake.deliver([done[-1].report()])
    return done


def shut_down(fake: FakeLambda, ext: Extension, reason: str = "spindown") -> None:
    fake.push_shutdown(reason)
    assert ext.wait() == 0


def assert_complete(collector: FakeCollector, invocations: list[Invocation]) -> None:
    """Every invocation's spans are there once, and the totals agree."""
    for phase in ("invoke", "post_runtime", "response_latency"):
        ids = [values["faas.invocation_id"] for values in collector.spans_of(phase)]
        assert sorted(ids) == sorted(invocation.request_id for invocation in invocations), phase
    last = collector.trace_exports[-1].headers
    assert int(last["x-lambdascope-total"]) == len(collector.spans)
    assert last["x-lambdascope-dropped"] == "0"


def test_gzip_and_headers(fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path) -> None:
    more = {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=s3cr%3Dt"}
    with running(fake_lambda, collector, tmp_path, **more) as ext:
        invocations = invoke_many(fake_lambda, 2)
        shut_down(fake_lambda, ext)
        assert ext.stderr == []
    assert_complete(collector, invocations)
    headers = collector.trace_exports[0].headers
    assert (headers["content-encoding"], headers["api-key"]) == ("gzip", "s3cr=t")
    assert headers["content-type"] == "application/x-protobuf"
    assert len({export.connection for export in collector.exports}) == 1


def test_a_collector_that_is_down_at_first_gets_everything_later(
    fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path
) -> None:
    """The port is closed, then there is a collector on it."""
    port = collector.port
    collector.close()
    with running(fake_lambda, collector, tmp_path) as ext:
        invocations = invoke_many(fake_lambda, 5)
        back = FakeCollector(port=port)
        shut_down(fake_lambda, ext)
        [line] = ext.stderr
        assert f"http://127.0.0.1:{port}/v1/traces" in line
    assert_complete(back, invocations)
    assert [int(e.headers["x-lambdascope-sequence"]) for e in back.trace_exports] == [1, 2][: len(back.trace_exports)]
    back.close()


def test_a_collector_that_says_later_gets_the_same_bytes_again(
    fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path
) -> None:
    """503 with a Retry-After: nothing until that is over, then the same bytes, number and totals."""
    refusals = 1
    collector.answer = lambda _: (
        (503, {"Retry-After": "1"}, b"") if len(collector.requests) <= refusals else (200, {}, b"")
    )
    with running(fake_lambda, collector, tmp_path, LAMBDASCOPE_FLUSH="end") as ext:
        invocations = invoke_many(fake_lambda, 3)
        assert len(collector.requests) == 1
        refused_at = time.monotonic()
        wait_until(lambda: time.monotonic() > refused_at + 1.1, "Retry-After to be over")
        invocations += invoke_many(fake_lambda, 3, first=4)
        shut_down(fake_lambda, ext)
    first, second = collector.requests[:2]
    assert first.body == second.body
    assert first.headers == second.headers
    assert_complete(collector, invocations)


@pytest.mark.parametrize("status", [400, 401, 413])
def test_what_a_collector_refuses_for_good_is_dropped_and_counted(
    fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path, status
) -> None:
    collector.answer = lambda _: (status, {}, b"") if len(collector.requests) == 1 else (200, {}, b"")
    with running(fake_lambda, collector, tmp_path) as ext:
        invoke_many(fake_lambda, 2)
        shut_down(fake_lambda, ext)
        [line] = ext.stderr
        assert f"HTTP {status}" in line
    refused = len(collector.requests[0].spans)
    last = collector.trace_exports[-1].headers
    assert int(last["x-lambdascope-dropped"]) == refused
    assert int(last["x-lambdascope-total"]) == refused + len(collector.spans)


def test_a_black_hole_delays_no_invocation_after_the_first(
    fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path
) -> None:
    """The collector reads requests and never answers. Where each invocation waited for it, this would take minutes."""
    collector.answer = lambda _: None
    with running(fake_lambda, collector, tmp_path, LAMBDASCOPE_FLUSH="end") as ext:
        invoke_many(fake_lambda, 3)
        began = time.monotonic()
        invoke_many(fake_lambda, 80, first=4)
        assert time.monotonic() - began < 80 * 0.5
        fake_lambda.push_shutdown(timeout_s=1.0)
        assert ext.wait() == 0


def test_memory_is_bounded_and_drops_are_counted(
    fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path
) -> None:
    """A queue of 64 KiB, an outage of 100 invocations, a collector that is back at the end."""
    port = collector.port
    collector.close()
    with running(fake_lambda, collector, tmp_path, LAMBDASCOPE_QUEUE_BYTES="65536") as ext:
        invoke_many(fake_lambda, 100)
        back = FakeCollector(port=port)
        shut_down(fake_lambda, ext)
    last = back.trace_exports[-1].headers
    dropped = int(last["x-lambdascope-dropped"])
    assert dropped > 0
    assert dropped + len(back.spans) == int(last["x-lambdascope-total"]) == 3 * 100 + 1
    assert back.spans_of("post_runtime")[-1]["faas.invocation_id"] == "request-100"
    back.close()


def test_a_connection_that_went_stale_costs_nothing(
    fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path
) -> None:
    """The collector closes each connection without saying so: the export is repeated at once on a new one."""
    with running(fake_lambda, collector, tmp_path, LAMBDASCOPE_FLUSH="end") as ext:
        invocations = invoke_many(fake_lambda, 1)
        collector.wait_for_spans(2)
        collector.drop_connections()
        invocations += invoke_many(fake_lambda, 1, first=2)
        shut_down(fake_lambda, ext)
        assert ext.stderr == []
    assert_complete(collector, invocations)
    assert len({export.connection for export in collector.exports}) == 2


def freeze(ext: Extension) -> None:
    """Let it stand still for longer than it takes for a pause."""
    os.kill(ext.process.pid, signal.SIGSTOP)
    frozen_at = time.monotonic()
    wait_until(lambda: time.monotonic() > frozen_at + 2.2, "the freeze to be over")
    os.kill(ext.process.pid, signal.SIGCONT)


def test_an_export_that_was_frozen_in_the_middle_is_sent_anew(
    fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path
) -> None:
    """The sandbox stops while the answer is under way, and the connection is gone when it goes on."""
    collector.answer = lambda _: None if len(collector.requests) == 1 else (200, {}, b"")
    with running(fake_lambda, collector, tmp_path, LAMBDASCOPE_FLUSH="periodic,0.001") as ext:
        invocations = invoke_many(fake_lambda, 1)
        invocations.append(fake_lambda.run_invocation("request-2", 2))
        wait_until(lambda: len(collector.requests) == 1, "the export that will be frozen")
        fake_lambda.wait_for_next(3)
        freeze(ext)
        fake_lambda.deliver([invocations[-1].report()])
        shut_down(fake_lambda, ext)
    first, second = collector.requests[:2]
    assert (first.body, first.headers) == (second.body, second.headers)
    assert_complete(collector, invocations)


def test_and_so_is_its_repeat_when_that_is_frozen_too(
    fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path
) -> None:
    collector.answer = lambda _: None if len(collector.requests) <= 2 else (200, {}, b"")
    with running(fake_lambda, collector, tmp_path, LAMBDASCOPE_FLUSH="periodic,0.001") as ext:
        invocations = invoke_many(fake_lambda, 1)
        invocations.append(fake_lambda.run_invocation("request-2", 2))
        wait_until(lambda: len(collector.requests) == 1, "the export that will be frozen")
        fake_lambda.wait_for_next(3)
        freeze(ext)
        fake_lambda.deliver([invocations[-1].report()])
        invocations.append(fake_lambda.run_invocation("request-3", 3))
        wait_until(lambda: len(collector.requests) == 2, "its repeat")
        fake_lambda.wait_for_next(4)
        freeze(ext)
        fake_lambda.deliver([invocations[-1].report()])
        shut_down(fake_lambda, ext)
    first, second, third = collector.requests[:3]
    assert (first.body, first.headers) == (second.body, second.headers) == (third.body, third.headers)
    assert_complete(collector, invocations)


@contextmanager
def tls_collector(directory: Path) -> Iterator[tuple[FakeCollector, str, str]]:
    """A collector with a certificate for localhost that it signed itself: it, its URL, the certificate's path."""
    certificate, key = directory / "ca.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *subject, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    collector = FakeCollector(tls=context)
    yield collector, f"https://localhost:{collector.port}", str(certificate)
    collector.close()


def test_tls_with_an_authority_of_ones_own(fake_lambda: FakeLambda, tmp_path: Path) -> None:
    with tls_collector(tmp_path) as (collector, url, certificate):
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_CERTIFICATE": certificate}
        with running(fake_lambda, collector, tmp_path, **settings) as ext:
            invocations = invoke_many(fake_lambda, 2)
            shut_down(fake_lambda, ext)
            assert ext.stderr == []
        assert_complete(collector, invocations)
        assert len({export.connection for export in collector.exports}) == 1


@pytest.mark.parametrize("settings", [{}, {"OTEL_EXPORTER_OTLP_CERTIFICATE": "/nonexistent.pem"}])
def test_a_certificate_that_nobody_vouches_for_is_refused(fake_lambda: FakeLambda, tmp_path: Path, settings) -> None:
    with tls_collector(tmp_path) as (collector, url, _):
        with running(fake_lambda, collector, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=url, **settings) as ext:
            invoke_many(fake_lambda, 2)
            shut_down(fake_lambda, ext)
            [line] = ext.stderr
            assert "TLS with localhost" in line
        assert collector.requests == []


def test_logs_join_their_invocation(fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path) -> None:
    with running(fake_lambda, collector, tmp_path) as ext:
        fake_lambda.wait_for_next(1)
        fake_lambda.push_invoke("request-1")
        start, done = Invocation("request-1", time.time_ns()).records()
        line = {"time": start["time"], "type": "function", "record": "[ERROR]\tit broke: ä\n"}
        fake_lambda.deliver([start, line, done])
        fake_lambda.wait_for_next(2)
        shut_down(fake_lambda, ext)
    [export] = [export for export in collector.exports if export.path == "/v1/logs"]
    [record] = export.logs.resource_logs[0].scope_logs[0].log_records
    [invoke] = [span for span in collector.spans if span.name == "orders"]
    assert plain(record.body) == "[ERROR]\tit broke: ä"
    assert (record.trace_id, record.span_id) == (invoke.trace_id, invoke.span_id)
    assert attributes(record.attributes) == {"faas.invocation_id": "request-1", "lambda.attempt": 1}
    assert export.headers["x-lambdascope-sequence"] == export.headers["x-lambdascope-total"] == "1"


def test_one_signals_trouble_is_not_the_others(
    fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path
) -> None:
    """Traces go to a port where nobody listens, logs to a collector that does."""
    dead = FakeCollector()
    dead.close()
    settings = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{dead.endpoint}/v1/traces", "LAMBDASCOPE_FLUSH": "end"}
    with running(fake_lambda, collector, tmp_path, **settings) as ext:
        fake_lambda.wait_for_next(1)
        fake_lambda.push_invoke("request-1")
        start, done = Invocation("request-1", time.time_ns()).records()
        fake_lambda.deliver([start, {"time": start["time"], "type": "function", "record": "hello"}, done])
        fake_lambda.wait_for_next(2)
        wait_until(lambda: len(collector.exports) == 1, "the logs")
        shut_down(fake_lambda, ext)
        [line] = ext.stderr
        assert dead.endpoint in line
    assert [export.path for export in collector.exports] == ["/v1/logs"]


def test_logs_can_be_left_out(fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path) -> None:
    with running(fake_lambda, collector, tmp_path, LAMBDASCOPE_LOGS="off") as ext:
        invoke_many(fake_lambda, 1)
        shut_down(fake_lambda, ext)
    assert fake_lambda.subscriptions[0][1]["types"] == ["platform"]


@pytest.mark.parametrize(("reason", "status"), [("timeout", "timeout"), ("failure", "error")])
def test_an_invocation_whose_end_never_comes_is_told_at_shutdown(
    fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path, reason, status
) -> None:
    with running(fake_lambda, collector, tmp_path) as ext:
        fake_lambda.wait_for_next(1)
        fake_lambda.push_invoke("request-1", timeout_s=0.5)
        fake_lambda.deliver(Invocation("request-1", time.time_ns()).records()[:1])
        fake_lambda.wait_for_next(2)  # at the latest when the deadline is near
        shut_down(fake_lambda, ext, reason)
    [invoke] = collector.spans_of("invoke")
    assert (invoke["lambda.status"], invoke["error.type"], invoke["lambda.end_estimated"]) == (status, status, True)
    assert [values["lambda.shutdown_reason"] for values in collector.spans_of("shutdown")] == [reason]


def test_where_telemetry_does_not_come_it_is_not_waited_for_again(
    fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path
) -> None:
    with running(fake_lambda, collector, tmp_path, LAMBDASCOPE_FLUSH="end") as ext:
        fake_lambda.wait_for_next(1)
        fake_lambda.push_invoke("request-1", timeout_s=900.0)
        fake_lambda.wait_for_next(2)
        began = time.monotonic()
        for number in range(2, 22):
            fake_lambda.push_invoke(f"request-{number}", timeout_s=900.0)
            fake_lambda.wait_for_next(number + 1)
        assert time.monotonic() - began < 20 * 0.5
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
