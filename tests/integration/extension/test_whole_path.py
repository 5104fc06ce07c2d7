"""From the platform's events to the collector's spans, with the extension as the process that the layer starts."""

import time
from pathlib import Path

from tests.support.extension import (
    ACCOUNT,
    ARN,
    FakeCollector,
    FakeLambda,
    attributes,
    running_extension,
)

_MS = 1_000_000


def test_two_invocations_and_a_shutdown_become_spans(
    fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path
) -> None:
    """Every phase arrives once; the second invocation is warm; the report of the last one is waited for at SHUTDOWN."""
    init_ns = time.time_ns() // _MS * _MS - 500 * _MS
    with running_extension(fake_lambda.address, tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}) as ext:
        first = fake_lambda.run_invocation("6f1c0000-0000-4000-8000-000000000001", 1, init_ns=init_ns)
        collector.wait_for_spans(3)  # at the end of the first invocation, before the sandbox can be frozen
        fake_lambda.wait_for_next(2)
        fake_lambda.deliver([first.report()])
        second = fake_lambda.run_invocation("6f1c0000-0000-4000-8000-000000000002", 2)
        fake_lambda.wait_for_next(3)
        fake_lambda.push_shutdown()
        fake_lambda.deliver([second.report()])
        assert ext.wait() == 0
        assert ext.stderr == []

    assert [e["faas.coldstart"] for e in collector.spans_of("invoke")] == [True, False]
    assert [e["faas.invocation_id"] for e in collector.spans_of("post_runtime")] == [
        first.request_id,
        second.request_id,
    ]
    assert [e["lambda.billed_duration_ms"] for e in collector.spans_of("post_runtime")] == [12, 12]
    assert len(collector.spans_of("init")) == 1
    assert len(collector.spans_of("response_latency")) == 2
    assert [e["lambda.shutdown_reason"] for e in collector.spans_of("shutdown")] == ["spindown"]
    assert len({span.span_id for span in collector.spans}) == len(collector.spans)

    [invoke] = [s for s in collector.spans if attributes(s.attributes).get("faas.invocation_id") == second.request_id
                and s.name == "orders"]  # fmt: skip
    assert invoke.start_time_unix_nano == second.start_ns
    assert invoke.end_time_unix_nano == second.start_ns + 11_185_000

    export = collector.trace_exports[0]
    resource = attributes(export.traces.resource_spans[0].resource.attributes)
    assert resource["faas.name"] == resource["service.name"] == "orders"
    assert resource["cloud.account.id"] == ACCOUNT
    assert resource["cloud.resource_id"] == f"{ARN}:$LATEST"
    assert resource["faas.max_memory"] == 128 * 1024 * 1024
    assert export.headers["x-lambdascope-instance"] == resource["faas.instance"]
    last = collector.trace_exports[-1]
    assert int(last.headers["x-lambdascope-total"]) == len(collector.spans)
    assert [int(e.headers["x-lambdascope-sequence"]) for e in collector.trace_exports] == [1, 2, 3]
    assert last.headers["x-lambdascope-dropped"] == "0"


def test_registration_and_subscription(fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path) -> None:
    """What the platform is asked for, word by word."""
    with running_extension(fake_lambda.address, tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}):
        fake_lambda.wait_for_next(1)
    [(headers, body)] = fake_lambda.registrations
    assert headers["lambda-extension-name"] == "lambdascope"
    assert headers["lambda-extension-accept-feature"] == "accountId"
    assert body == {"events": ["INVOKE", "SHUTDOWN"]}
    [(_, subscription)] = fake_lambda.subscriptions
    port = fake_lambda.listener_port
    assert subscription == {
        "schemaVersion": "2025-01-29",
        "types": ["platform", "function"],
        "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25},
        "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{port}"},
    }
