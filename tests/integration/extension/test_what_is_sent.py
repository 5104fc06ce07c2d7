"""What is sent while an invocation runs, of the extension itself, and of the log lines, by the settings."""

import subprocess
import sys
import time

import pytest

from tests.support.extension import attributes, rfc3339, running_extension

_ID = "6f1c0000-0000-4000-8000-000000000001"
_MS = 1_000_000


@pytest.mark.parametrize("flush", ["end", "periodic,3600"])
def test_a_long_invocation_is_seen_before_it_ends(fake_lambda, collector, tmp_path, flush):
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "LAMBDASCOPE_INFLIGHT_AFTER": "0.3",
               "LAMBDASCOPE_FLUSH": flush, "LAMBDASCOPE_SPANS": "compact"}  # fmt: skip
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        fake_lambda.wait_for_next(1)
        fake_lambda.push_invoke(_ID)
        start_ns = time.time_ns() // _MS * _MS
        started = {"requestId": _ID, "version": "$LATEST"}
        fake_lambda.deliver([{"time": rfc3339(start_ns), "type": "platform.start", "record": started}])
        [record] = collector.wait_for_spans(1)
        done = {"requestId": _ID, "status": "success", "metrics": {"durationMs": 2000.5}, "spans": [
            {"name": "responseLatency", "start": rfc3339(start_ns), "durationMs": 1999.5}]}  # fmt: skip
        done_ns = start_ns + 2001 * _MS
        fake_lambda.deliver([{"time": rfc3339(done_ns), "type": "platform.runtimeDone", "record": done}])
        fake_lambda.wait_for_next(2)
        fake_lambda.push_shutdown()
        assert (ext.wait(), ext.stderr) == (0, [])
    assert attributes(record.attributes)["lambda.in_flight"] is True
    final = next(span for span in collector.spans[1:] if span.span_id == record.span_id)
    assert final.end_time_unix_nano == start_ns + 2000 * _MS + 500_000
    assert attributes(final.attributes)["lambda.response_latency_ms"] == 1999.5
    assert len([span for span in collector.spans if span.span_id == record.span_id]) == 2


def test_the_spans_say_what_the_extension_costs(fake_lambda, collector, tmp_path):
    """Processor time and memory as they are; a record of an unknown type and a malformed one are counted."""
    init_ns = time.time_ns() // _MS * _MS - 500 * _MS
    with running_extension(fake_lambda.address, tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}) as ext:
        first = fake_lambda.run_invocation(_ID, 1, init_ns=init_ns)
        fake_lambda.wait_for_next(2)  # which it asks for when the first flush is over and measured
        lost = {"reason": "slow", "droppedRecords": 7, "droppedBytes": 700}
        now = rfc3339(time.time_ns())
        fake_lambda.deliver([first.report(), {"time": now, "type": "platform.new", "record": {}}, {"type": 1},
                             {"time": now, "type": "platform.logsDropped", "record": lost}])  # fmt: skip
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
    [init], [report], [shutdown] = map(collector.spans_of, ("init", "post_runtime", "shutdown"))
    assert 0 < init["lambda.extension.ready_ms"] < 10_000
    assert "lambda.extension.flush_ms" not in init
    cpu_ms = [values["lambda.extension.cpu_ms"] for values in (init, report, shutdown)]
    assert 0 < cpu_ms[0] <= cpu_ms[1] <= cpu_ms[2]
    assert 4 << 20 < shutdown["lambda.extension.rss_bytes"] < 64 << 20
    assert report["lambda.extension.flush_ms"] > 0
    kinds = ("malformed", "unknown", "lost")
    assert [shutdown[f"lambda.extension.records.{kind}"] for kind in kinds] == [1, 1, 7]
    assert not [name for name in shutdown if "dropped" in name]


def test_log_lines_leave_as_the_rules_say(fake_lambda, collector, tmp_path):
    """Redacted and limited; what was left out is in the spans. Nothing that matches is in any byte that was sent."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "LAMBDASCOPE_LOGS_REDACT": "hunter[0-9]",
               "LAMBDASCOPE_LOGS_PER_SECOND": "1", "LAMBDASCOPE_LOGS_LINE_CHARACTERS": "256"}  # fmt: skip
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        fake_lambda.run_invocation(_ID, 1)
        fake_lambda.wait_for_next(2)
        now = rfc3339(time.time_ns())
        lines = [f"{number} hunter2 {'x' * 300}" for number in range(30)]
        fake_lambda.deliver([{"time": now, "type": "function", "record": line} for line in lines])
        fake_lambda.push_shutdown()
        assert (ext.wait(), ext.stderr) == (0, [])
    records = [record for export in collector.exports if export.path.endswith("/v1/logs")
               for rl in export.logs.resource_logs for sl in rl.scope_logs for record in sl.log_records]  # fmt: skip
    [shutdown] = collector.spans_of("shutdown")
    assert len(records) == 10
    assert shutdown["lambda.extension.dropped.limited"] == 20
    assert all(record.body.string_value.split()[1] == "***" for record in records)
    assert attributes(records[0].attributes)["lambda.log.cut_characters"] == len("0 *** ") + 300 - 256
    assert not any(b"hunter2" in export.body for export in collector.requests)


def test_the_resource_has_the_log_stream_that_the_runtime_was_given(fake_lambda, collector, tmp_path):
    """This process's child stands for the runtime: it has the variables that an extension lacks."""
    runtime = {"AWS_LAMBDA_RUNTIME_API": fake_lambda.address, "LAMBDA_TASK_ROOT": "/var/task",
               "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/orders", "AWS_LAMBDA_LOG_STREAM_NAME": "stream-1"}  # fmt: skip
    waiting = [sys.executable, "-S", "-c", "import sys; print('up', flush=True); sys.stdin.read()"]
    with subprocess.Popen(waiting, env=runtime, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        with running_extension(fake_lambda.address, tmp_path, environ) as ext:
            fake_lambda.run_invocation(_ID, 1)
            fake_lambda.wait_for_next(2)
            fake_lambda.push_shutdown()
            assert (ext.wait(), ext.stderr) == (0, [])
        child.communicate()
    for export in collector.trace_exports:
        resource = attributes(export.traces.resource_spans[0].resource.attributes)
        assert resource["aws.log.group.names"] == ["/aws/lambda/orders"]
        assert resource["aws.log.stream.names"] == ["stream-1"]
