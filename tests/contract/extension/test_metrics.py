"""The metrics: names, units and bounds of the semantic conventions, temporality of OpenTelemetry's OTLP exporter
("Metrics Exporter - OTLP"), the wire format by the official bindings."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from extension import instruments as i
from extension import otlp
from extension import records as r
from extension.batches import BatchQueue
from extension.identity import Sandbox
from extension.lifecycle import Lifecycle
from extension.meter import CUMULATIVE, DELTA, LOW_MEMORY, Meter
from extension.metrics import Metrics
from extension.proc_sample import sample
from extension.spans import Span

BEGIN, NOW, LATER = 1_000, 2_000, 3_000
MS = 1_000_000
T0 = 1_700_000_000_000 * MS


def parsed(items):
    return [Metric.FromString(item) for item in items]


def values(metrics):
    """Value by name and attributes; count and sum of a histogram."""
    found = {}
    for metric in metrics:
        [point] = getattr(metric, metric.WhichOneof("data")).data_points
        labels = tuple(pair.value.string_value for pair in point.attributes)
        if metric.WhichOneof("data") == "histogram":
            found[metric.name, *labels] = (point.count, point.sum)
        else:
            found[metric.name, *labels] = getattr(point, point.WhichOneof("value"))
    return found


# On the wire ---------------------------------------------------------------------------------------------------------

NUMBERS = st.floats(0, 1e12) | st.integers(0, 2**40).map(float)


@settings(max_examples=100)
@given(st.lists(NUMBERS, min_size=1, max_size=20), st.sampled_from([i.INVOKE_DURATION, i.MEM_USAGE]))
def test_a_histogram_is_what_was_recorded(numbers, instrument):
    meter = Meter(CUMULATIVE, BEGIN)
    for number in numbers:
        meter.record(instrument, number, (("faas.trigger", "http"),))
    [metric] = parsed(meter.written(NOW))
    assert (metric.name, metric.unit, metric.description) == (instrument.name, instrument.unit, instrument.description)
    assert metric.histogram.aggregation_temporality == 2
    [point] = metric.histogram.data_points
    assert (point.start_time_unix_nano, point.time_unix_nano) == (BEGIN, NOW)
    assert tuple(point.explicit_bounds) == instrument.bounds
    bounds = [float("-inf"), *instrument.bounds, float("inf")]
    expected = [sum(low < n <= high for n in numbers) for low, high in pairwise(bounds)]
    assert list(point.bucket_counts) == expected
    assert point.count == len(numbers)
    assert point.sum == pytest.approx(sum(numbers))
    assert (point.min, point.max) == (min(numbers), max(numbers))
    assert [(pair.key, pair.value.string_value) for pair in point.attributes] == [("faas.trigger", "http")]


@given(NUMBERS)
def test_a_gauge_and_a_counter_are_what_was_measured(number):
    meter = Meter(CUMULATIVE, BEGIN)
    meter.observe(i.THREADS, number)
    meter.add(i.ERRORS, number)
    meter.observe(i.CPU_TIME, number, (("cpu.mode", "user"),), since_ns=7)
    gauge, counter, observed = parsed(meter.written(NOW))
    assert gauge.WhichOneof("data") == "gauge"
    assert gauge.gauge.data_points[0].start_time_unix_nano == 0
    for metric, start_ns in ((counter, BEGIN), (observed, 7)):
        assert (metric.sum.is_monotonic, metric.sum.aggregation_temporality) == (True, 2)
        assert metric.sum.data_points[0].start_time_unix_nano == start_ns
    found = values([gauge, counter, observed])
    assert list(found.values()) == [number] * 3


def test_metrics_make_an_export_request():
    meter = Meter(CUMULATIVE, BEGIN)
    meter.add(i.ERRORS, 1)
    body = otlp.export_request(otlp.resource({"faas.name": "f"}), meter.written(NOW))
    [resource] = ExportMetricsServiceRequest.FromString(body).resource_metrics
    assert resource.resource.attributes[0].value.string_value == "f"
    assert [metric.name for scope in resource.scope_metrics for metric in scope.metrics] == ["faas.errors"]


# Temporality ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("temporality", "counter", "observed", "histogram"),
    [
        (CUMULATIVE, (5, BEGIN), (150, 7), (2, BEGIN)),
        (DELTA, (2, NOW), (50, NOW), (1, NOW)),
        (LOW_MEMORY, (2, NOW), (150, 7), (1, NOW)),
    ],
)
def test_what_a_second_export_tells(temporality, counter, observed, histogram):
    meter = Meter(temporality, BEGIN)
    for added, total, at_ns in ((3, 100, NOW), (2, 150, LATER)):
        meter.add(i.ERRORS, added)
        meter.observe(i.NETWORK_IO, total, since_ns=7)
        meter.record(i.INIT_DURATION, 0.5)
        last = {metric.name: metric for metric in parsed(meter.written(at_ns))}
    delta = {"cumulative": set(), "delta": {"faas.errors", "system.network.io", "faas.init_duration"}}
    deltas = delta.get(temporality, {"faas.errors", "faas.init_duration"})
    for name, (value, start_ns) in (("faas.errors", counter), ("system.network.io", observed)):
        point = last[name].sum.data_points[0]
        assert (getattr(point, point.WhichOneof("value")), point.start_time_unix_nano) == (value, start_ns)
        assert last[name].sum.aggregation_temporality == (1 if name in deltas else 2)
    point = last["faas.init_duration"].histogram.data_points[0]
    assert (point.count, point.start_time_unix_nano) == histogram


def test_what_did_not_change_is_not_told_again():
    meter = Meter(CUMULATIVE, BEGIN)
    meter.add(i.ERRORS, 1)
    assert len(meter.written(NOW)) == 1
    assert meter.written(LATER) == []


def test_the_first_total_of_the_kernel_is_no_change():
    """With delta temporality there is nothing to compare it with; nor is there after it began anew."""
    meter = Meter(DELTA, BEGIN)
    meter.observe(i.CPU_TIME, 100.0)
    assert meter.written(NOW) == []
    meter.observe(i.CPU_TIME, 101.5)
    assert values(parsed(meter.written(NOW))) == {("system.cpu.time",): 1.5}
    meter.observe(i.CPU_TIME, 0.5)
    meter.observe(i.CPU_TIME, 0.75)
    assert values(parsed(meter.written(NOW))) == {("system.cpu.time",): 0.25}


# Of invocations ------------------------------------------------------------------------------------------------------


def story():
    """Spans of a cold start, a warm invocation that failed, one that timed out and one of which nobody knows."""
    lifecycle = Lifecycle(Sandbox("orders", "on-demand", 0, lambda: "instance"))
    spans = []
    of = {"restore": False, "status": "success", "phase": "init"}
    for record in (
        r.InitStart(time_ns=T0, restore=False, phase="init"),
        r.InitRuntimeDone(time_ns=T0 + 199 * MS, **of),
        r.InitReport(time_ns=T0 + 200 * MS, duration_ms=200.0, **of),
    ):
        spans += lifecycle.on_record(record)
    for number, status in enumerate(["success", "error", "timeout", None]):
        at_ns, id_ = T0 + (201 + 1000 * number) * MS, f"r{number}"
        spans += lifecycle.on_invoke(r.Invoke(request_id=id_), at_ns)
        spans += lifecycle.on_record(r.Start(time_ns=at_ns, request_id=id_))
        if number == 1:
            spans += lifecycle.in_flight(at_ns + 1, 0)
        if status:
            more = {"request_id": id_, "status": status, "duration_ms": 20.0, "spans": ()}
            spans += lifecycle.on_record(r.RuntimeDone(time_ns=at_ns + 20 * MS, **more))
            spans += lifecycle.on_record(r.Report(time_ns=at_ns + 20 * MS, max_memory_used_mb=67.0, **more))
    spans += lifecycle.on_shutdown(r.Shutdown(reason="spindown"), T0 + 3221 * MS, T0 + 3221 * MS)
    return spans


def told_of(spans, **more):
    queue = BatchQueue(1 << 20)
    metrics = Metrics(queue, CUMULATIVE, None, **{"of_invocations": True, **more})
    metrics.on_spans(spans)
    metrics.queue()
    queue.seal(lambda: "instance", lambda items: otlp.export_request(b"", items))
    batch = queue.take()
    made = ExportMetricsServiceRequest.FromString(batch.body if batch else b"").resource_metrics
    return values(metric for resource in made for scope in resource.scope_metrics for metric in scope.metrics)


def test_the_metrics_of_the_conventions():
    found = told_of(story())
    assert found.pop(("faas.invoke_duration",)) == (4, pytest.approx(0.08))
    assert found.pop(("faas.init_duration",)) == (1, pytest.approx(0.2))
    assert found.pop(("faas.mem_usage",)) == (3, 3 * 67 * 1_048_576)
    assert found == {
        ("faas.coldstarts",): 1,
        ("faas.invocations",): 1,
        ("faas.errors",): 1,
        ("faas.timeouts",): 1,
    }


def test_an_invocation_that_is_told_of_again_counts_once():
    """As it is where its span came before anything was known of its init."""
    first, *others = [span for span in story() if span.attributes["lambda.phase"] == "invoke"]
    fields = {name: getattr(first, name) for name in first.__slots__}
    known = {name: value for name, value in first.attributes.items() if name != "faas.coldstart"}
    early = Span(**{**fields, "attributes": known})
    assert told_of([early, first, *others]) == told_of([first, *others])


def test_without_the_setting_nothing_is_counted():
    assert told_of(story(), of_invocations=False) == {}


# Of the sandbox ------------------------------------------------------------------------------------------------------


@pytest.fixture
def proc(tmp_path):
    files = {
        "stat": "cpu  100 0 50 1000 5 0 2 0 0 0\ncpu0 1 2 3\n",
        "meminfo": "MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable:  512 kB\n",
        "net/dev": "Inter-| Receive | Transmit\n face |bytes\n    lo: 9 0 0 0 0 0 0 0 9 0\n"
        "vinternal_1: 1000 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n",
        "17/stat": "17 (a b) c) S 1 1 1 0 -1 4 1 0 0 0 5 6 0 0 20 0 7 0 12345 1 1\n",
        "18/stat": "18 (x) S 1 1 1 0 -1 4 1 0 0 0 5 6 0 0 20 0 2 0 12345 1 1\n",
        "17/fd/0": "", "17/fd/1": "", "17/fd/9": "",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_proc_says(proc):
    meter = Meter(CUMULATIVE, BEGIN)
    sample(meter, str(proc), str(proc))
    found = values(parsed(meter.written(NOW)))
    assert found.pop(("system.filesystem.usage", str(proc), "used")) > 0
    assert found.pop(("system.filesystem.usage", str(proc), "free")) > 0
    assert {key: value for key, value in found.items() if value} == {
        ("system.cpu.time", "user"): 1.0, ("system.cpu.time", "system"): 0.5, ("system.cpu.time", "idle"): 10.0,
        ("system.cpu.time", "iowait"): 0.05, ("system.cpu.time", "softirq"): 0.02,
        ("system.memory.usage", "used"): 1536 * 1024, ("system.memory.usage", "free"): 512 * 1024,
        ("system.network.io", "vinternal_1", "receive"): 1000, ("system.network.io", "vinternal_1", "transmit"): 200,
        ("lambda.sandbox.threads",): 9, ("lambda.sandbox.file_descriptors",): 3, ("system.process.count",): 2,
    }  # fmt: skip


@pytest.mark.parametrize("broken", ["stat", "meminfo", "net/dev", "17/stat"])
def test_what_cannot_be_read_costs_itself_only(proc, broken):
    (proc / broken).write_text("garbage\n\n:\n")
    meter = Meter(CUMULATIVE, BEGIN)
    sample(meter, str(proc), str(proc / "missing"))
    names = {key[0] for key in values(parsed(meter.written(NOW)))}
    expected = {"stat": "system.cpu.time", "meminfo": "system.memory.usage", "net/dev": "system.network.io"}
    everything = {"system.cpu.time", "system.memory.usage", "system.network.io", "lambda.sandbox.threads",
                  "lambda.sandbox.file_descriptors", "system.process.count"}  # fmt: skip
    assert names == everything - {expected.get(broken)}


def test_the_real_proc_is_read():
    meter = Meter(CUMULATIVE, BEGIN)
    sample(meter)
    found = values(parsed(meter.written(NOW)))
    assert found["lambda.sandbox.threads",] >= found["system.process.count",] >= 1
    assert found["system.memory.usage", "used"] > 1 << 20
    assert found["system.cpu.time", "user"] > 0
