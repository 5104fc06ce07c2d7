"""Whatever is delivered, no exception leaves the parser or the lifecycle, and each record is counted or understood."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from extension import otlp, parsing
from extension.batches import BatchQueue
from extension.identity import Sandbox
from extension.lifecycle import Lifecycle
from extension.log_rules import LogRules
from extension.logs import read_line
from extension.metrics import Metrics
from extension.records import FunctionLog, Invoke, Shutdown

KINDS = [
    "platform.initStart", "platform.initRuntimeDone", "platform.initReport", "platform.restoreStart",
    "platform.restoreRuntimeDone", "platform.restoreReport", "platform.start", "platform.runtimeDone",
    "platform.report", "platform.extension", "platform.telemetrySubscription", "platform.logsDropped", "function",
    "extension", "platform.fault", "platform.later",
]  # fmt: skip
KEYS = [
    "requestId", "version", "tracing", "status", "errorType", "metrics", "spans", "initializationType", "phase",
    "functionName", "functionVersion", "runtimeVersion", "instanceId", "instanceMaxMemory", "durationMs",
    "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs", "restoreDurationMs", "producedBytes",
    "name", "start", "value", "type", "level", "message", "timestamp", "droppedRecords", "functionArn", "tenantId",
]  # fmt: skip
TIMES = ["2024-05-20T16:29:44.833Z", "2024-05-20T16:29:45Z", "2022-10-12T12:01:23:521Z", "1970-01-01T00:00:00Z", ""]
WORDS = ["success", "failure", "timeout", "init", "invoke", "snap-start", "on-demand", "a", "b", "$LATEST", "12.5"]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=20), st.sampled_from(WORDS),
    st.sampled_from(TIMES), st.just("Root=1-6352a70e-1e2c502e358361800241fd45;Parent=35465b3a9e2f7c6a;Sampled=1"),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)),
    max_leaves=12,
)
RECORDS = st.fixed_dictionaries(
    {"type": st.one_of(st.sampled_from(KINDS), SCALARS), "time": st.one_of(st.sampled_from(TIMES), SCALARS)},
    optional={"record": st.one_of(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=10), VALUES)},
)


def through_everything(body: bytes) -> parsing.Batch:
    batch = parsing.parse_batch(body)
    lifecycle = Lifecycle(Sandbox("orders", None, 0, lambda: "instance"))
    rules = LogRules("", 256, 0, lambda _kind, _text: None)
    queue = BatchQueue(1 << 20)
    metrics = Metrics(queue, "delta", None, of_invocations=True)
    spans = lifecycle.on_invoke(Invoke(request_id="a", deadline_ms=1e12), 10**18)
    for record in batch.records:
        if isinstance(record, FunctionLog):
            line = rules.applied(read_line(record), 0.0)
            assert line is not None
            otlp.log_record(lifecycle.on_log(line, 10**18))
        else:
            spans += lifecycle.on_record(record)
            spans += lifecycle.in_flight(10**18, 10**10)
    spans += lifecycle.on_shutdown(Shutdown(reason="failure"), 10**18, 10**18)
    metrics.on_spans(spans)
    metrics.queue()
    for span in spans:
        otlp.span(span)
    return batch


@settings(max_examples=400, deadline=None)
@given(st.lists(RECORDS, max_size=8))
def test_records_of_every_kind_with_anything_in_them(items: list[dict[str, Any]]) -> None:
    batch = through_everything(json.dumps(items).encode())
    assert len(batch.records) + batch.malformed == len(items)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), VALUES.map(lambda value: json.dumps(value).encode())))
def test_anything_at_all(body: bytes) -> None:
    through_everything(body)


@settings(max_examples=200, deadline=None)
@given(st.lists(RECORDS, min_size=1, max_size=3), st.data())
def test_a_delivery_that_is_cut_off(items: list[dict[str, Any]], data: st.DataObject) -> None:
    whole = json.dumps(items).encode()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert (parsing.parse_batch(cut).records, parsing.parse_batch(cut).malformed) == ([], 1)
