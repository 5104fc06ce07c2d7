"""The rules of docs/span-model.md, on the records of whole sandboxes: each case names the rule that it holds."""

import hashlib
import json
from pathlib import Path

import pytest

from extension import records as r
from extension.attempts import Attempt
from extension.identity import Sandbox
from extension.lifecycle import Lifecycle
from extension.logs import read_line
from extension.parsing import parse_batch
from extension.span_builder import SpanStyle
from extension.spans import Link, Span
from extension.state import Remembered, parse
from extension.timestamps import parse_time_ns

FIXTURES = Path(__file__).parent / "fixtures"
INSTANCE = "11112222333344445555666677778888"
MS = 1_000_000
T0 = 1_700_000_000_000 * MS
"""When everything begins in the cases that are written out here."""
ID = "6f1c0000-0000-4000-8000-000000000001"
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders"


def at(text):
    ns = parse_time_ns(text)
    assert ns is not None
    return ns


def sandbox(initialization_type="on-demand", registered_ns=0, style=None):
    return Lifecycle(Sandbox("orders", initialization_type, registered_ns, lambda: INSTANCE, style))


def initialised(style=None):
    """A sandbox whose init is over and told, right before everything begins."""
    lifecycle = sandbox(style=style)
    feed(lifecycle, init_start(-100), init_done(-1), init_report(0, 100.0))
    return lifecycle


def without_init(spans):
    return [span for span in spans if span.attributes["lambda.phase"] != "init"]


def recorded(name):
    return parse_batch((FIXTURES / f"{name}.json").read_bytes()).records


def feed(lifecycle, *records):
    return [span for record in records for span in lifecycle.on_record(record)]


def invoke(id_=ID, tracing=None, deadline_ms=None):
    return r.Invoke(request_id=id_, invoked_arn=ARN, tracing=tracing, deadline_ms=deadline_ms)


def init_start(at_ms=0, **more):
    fields = {"restore": False, "initialization_type": "on-demand", "phase": "init", **more}
    return r.InitStart(time_ns=T0 + at_ms * MS, **fields)


def init_done(at_ms, **more):
    return r.InitRuntimeDone(time_ns=T0 + at_ms * MS, **{"restore": False, "status": "success", **more})


def init_report(at_ms, duration_ms, **more):
    fields = {"restore": False, "status": "success", "duration_ms": float(duration_ms), **more}
    return r.InitReport(time_ns=T0 + at_ms * MS, **fields)


def start(at_ms, id_=ID):
    return r.Start(time_ns=T0 + at_ms * MS, request_id=id_)


def done(at_ms, duration_ms, id_=ID, **more):
    fields = {"status": "success", "spans": (), **more}
    return r.RuntimeDone(time_ns=T0 + at_ms * MS, request_id=id_, duration_ms=float(duration_ms), **fields)


def report(at_ms, duration_ms, id_=ID, **more):
    fields = {"status": "success", "spans": (), **more}
    return r.Report(time_ns=T0 + at_ms * MS, request_id=id_, duration_ms=float(duration_ms), **fields)


def whole_cold_start(lifecycle):
    """An init of 100 ms and the invocation that waited for it."""
    spans = feed(lifecycle, init_start(), init_done(99), init_report(100, 100.0))
    spans += lifecycle.on_invoke(invoke(), T0 + 101 * MS)
    return spans + feed(lifecycle, start(101), done(121, 20.0), report(125, 24.0))


def phases(spans):
    return [span.attributes["lambda.phase"] for span in spans]


def by_phase(spans):
    assert len(set(phases(spans))) == len(spans)
    return {span.attributes["lambda.phase"]: span for span in spans}


def digest(text, size):
    return hashlib.sha256(text.encode()).digest()[:size]


# Whole span trees ----------------------------------------------------------------------------------------------------


def test_a_recorded_cold_start_span_by_span():
    lifecycle = sandbox()
    id_ = "4b140000-0000-4000-8000-000000000001"
    spans = lifecycle.on_invoke(invoke(id_), 1) + feed(lifecycle, *recorded("on_demand_cold_start"))
    assert phases(spans) == [
        "init",
        "invoke",
        "response_latency",
        "response_duration",
        "runtime_overhead",
        "post_runtime",
    ]
    start_ns = at("2024-05-20T16:29:45.008Z")
    init_ns = at("2024-05-20T16:29:44.833Z")
    trace_id = digest(id_, 16)
    span_id = {phase: digest(f"{id_}/{INSTANCE}/1/{phase}", 8) for phase in phases(spans)}
    of_attempt = {"lambda.phase.source": "telemetry", "faas.invocation_id": id_, "lambda.attempt": 1}
    ok = {"status_code": 1, "status_message": "", "links": (), "trace_id": trace_id}
    unset = {**ok, "status_code": 0}
    assert spans == [
        Span(
            name="init", kind=1, span_id=span_id["init"], parent_id=span_id["invoke"],
            start_ns=init_ns, end_ns=init_ns + 173_778_000,
            attributes={
                "lambda.phase": "init", **of_attempt,
                "lambda.initialization_type": "on-demand", "lambda.init.phase": "init",
                "lambda.runtime_version": "nodejs:18.v28",
                "lambda.runtime_version_arn": "arn:aws:lambda:eu-west-3::runtime:"
                "b475b23763329123d9e6f79f51886d0e1054f727f5b90ec945fcb2a3ec09afdd",
                "lambda.status": "success",
            }, **ok,
        ),
        Span(
            name="orders", kind=2, span_id=span_id["invoke"], parent_id=b"",
            start_ns=start_ns, end_ns=start_ns + 11_185_000,
            attributes={
                "lambda.phase": "invoke", **of_attempt, "faas.coldstart": True, "lambda.proactive_init": False,
                "lambda.initialization_type": "on-demand", "lambda.runtime_version": "nodejs:18.v28",
                "aws.lambda.invoked_arn": ARN, "lambda.status": "success",
                "lambda.busy_start_unix_nano": init_ns, "lambda.produced_bytes": 40,
            }, **ok,
        ),
        Span(
            name="response_latency", kind=1, span_id=span_id["response_latency"], parent_id=span_id["invoke"],
            start_ns=start_ns, end_ns=start_ns + 2_215_000,
            attributes={"lambda.phase": "response_latency", **of_attempt}, **unset,
        ),
        Span(
            name="response_duration", kind=1, span_id=span_id["response_duration"], parent_id=span_id["invoke"],
            start_ns=start_ns + 2 * MS, end_ns=start_ns + 2 * MS + 56_000,
            attributes={"lambda.phase": "response_duration", **of_attempt}, **unset,
        ),
        Span(
            name="runtime_overhead", kind=1, span_id=span_id["runtime_overhead"], parent_id=span_id["invoke"],
            start_ns=start_ns + 2 * MS, end_ns=start_ns + 2 * MS + 8_686_000,
            attributes={"lambda.phase": "runtime_overhead", **of_attempt}, **unset,
        ),
        Span(
            name="post_runtime", kind=1, span_id=span_id["post_runtime"], parent_id=span_id["invoke"],
            start_ns=start_ns + 11_185_000, end_ns=start_ns + 11_642_000,
            attributes={
                "lambda.phase": "post_runtime", **of_attempt, "lambda.status": "success", "lambda.duration_ms": 11.642,
                "lambda.billed_duration_ms": 12, "lambda.memory_size_mb": 128, "lambda.max_memory_used_mb": 67,
                "lambda.init_duration_ms": 174.055,
            }, **ok,
        ),
    ]  # fmt: skip
    assert lifecycle.settled


def test_the_border_of_the_runtimes_process_splits_the_init():
    lifecycle = sandbox(registered_ns=T0 + 27 * MS)
    lifecycle.runtime_start_ns = T0 + 20 * MS  # cut to a tick: the process started within the 10 ms after it
    spans = by_phase(whole_cold_start(lifecycle))
    extension, runtime = spans["extension_init"], spans["runtime_and_function_init"]
    assert (extension.start_ns, extension.end_ns) == (T0, T0 + 27 * MS)
    assert (runtime.start_ns, runtime.end_ns) == (T0 + 27 * MS, T0 + 99 * MS)
    assert extension.parent_id == runtime.parent_id == spans["init"].span_id
    assert extension.attributes["lambda.phase.source"] == runtime.attributes["lambda.phase.source"] == "proc"
    assert extension.attributes["faas.invocation_id"] == ID


@pytest.mark.parametrize("runtime_start_ms", [None, -11, 100, 5000])
def test_without_a_border_within_the_init_there_is_no_split(runtime_start_ms):
    lifecycle = sandbox()
    lifecycle.runtime_start_ns = None if runtime_start_ms is None else T0 + runtime_start_ms * MS
    assert phases(whole_cold_start(lifecycle)) == ["init", "invoke", "post_runtime"]


# Ids -----------------------------------------------------------------------------------------------------------------


def test_the_xray_header_gives_trace_and_parent_to_all_of_the_invocation():
    lifecycle = sandbox()
    [traced] = recorded("start_with_xray_tracing")
    lifecycle.on_invoke(invoke(traced.request_id), 1)
    ended = r.RuntimeDone(time_ns=traced.time_ns + MS, request_id=traced.request_id, duration_ms=1.0, spans=())
    reported = r.Report(time_ns=traced.time_ns + MS, request_id=traced.request_id, duration_ms=1.0, spans=())
    span, after = feed(lifecycle, traced, ended, reported)
    assert after.trace_id == span.trace_id
    assert span.trace_id.hex() == "6352a70e1e2c502e358361800241fd45"
    assert span.parent_id.hex() == "35465b3a9e2f7c6a"


def test_attempts_of_one_request_in_one_sandbox_stay_apart():
    lifecycle = sandbox()
    spans = []
    for at_ms in (1000, 61_000):
        spans += lifecycle.on_invoke(invoke(), T0 + at_ms * MS)
        spans += feed(lifecycle, start(at_ms), done(at_ms + 5, 5), report(at_ms + 6, 6))
    assert [(s.attributes["lambda.phase"], s.attributes["lambda.attempt"]) for s in spans] == [
        ("invoke", 1), ("post_runtime", 1), ("invoke", 2), ("post_runtime", 2)]  # fmt: skip
    assert len({span.span_id for span in spans}) == 4
    assert len({span.trace_id for span in spans}) == 1


def test_the_report_of_the_first_attempt_may_come_after_the_second_was_invoked():
    """The INVOKE event has a connection of its own: it may be read before the records that are older."""
    lifecycle = initialised()
    lifecycle.on_invoke(invoke(), T0)
    feed(lifecycle, start(0), done(5, 5))
    lifecycle.on_invoke(invoke(), T0 + 60_000 * MS)
    [late] = feed(lifecycle, report(6, 6))
    assert (late.attributes["lambda.phase"], late.attributes["lambda.attempt"]) == ("post_runtime", 1)
    [second] = feed(lifecycle, start(60_000), done(60_005, 5))
    assert second.attributes["lambda.attempt"] == 2


def test_the_platforms_instance_id_is_taken_where_it_is_one():
    for given, taken in (
        ("a1-b2/[$LATEST]", "a1-b2/[$LATEST]"),
        ("$LATEST", INSTANCE),
        (None, INSTANCE),
        ("a\r\nb", INSTANCE),
    ):
        lifecycle = sandbox()
        feed(lifecycle, init_start(instance_id=given, function_version="$LATEST"))
        assert lifecycle.instance_id == taken


def test_the_instance_id_never_changes_once_it_was_used():
    lifecycle = sandbox()
    before = lifecycle.instance_id
    feed(lifecycle, init_start(instance_id="a1b2c3"))
    assert lifecycle.instance_id == before


# Cold starts ---------------------------------------------------------------------------------------------------------


def test_cold_start_is_true_only_where_the_invocation_waited():
    lifecycle = sandbox()
    first = by_phase(whole_cold_start(lifecycle))["invoke"]
    assert (first.attributes["faas.coldstart"], first.attributes["lambda.proactive_init"]) == (True, False)
    assert first.attributes["lambda.busy_start_unix_nano"] == T0
    lifecycle.on_invoke(invoke("second"), T0 + 200 * MS)
    [second] = feed(lifecycle, start(200, "second"), done(210, 10, "second"))
    assert (second.attributes["faas.coldstart"], second.attributes["lambda.proactive_init"]) == (False, False)
    assert second.attributes["lambda.busy_start_unix_nano"] == second.start_ns


@pytest.mark.parametrize(("gap_ms", "cold"), [(10_000, True), (10_001, False)])
def test_an_init_that_waited_more_than_ten_seconds_was_proactive(gap_ms, cold):
    lifecycle = sandbox()
    spans = feed(lifecycle, init_start(), init_done(99), init_report(100, 100.0))
    lifecycle.on_invoke(invoke(), 1)
    spans += feed(lifecycle, start(100 + gap_ms), done(200 + gap_ms, 100))
    found = by_phase(spans)
    assert found["invoke"].attributes["faas.coldstart"] is cold
    assert found["invoke"].attributes["lambda.proactive_init"] is not cold
    if cold:
        assert found["init"].parent_id == found["invoke"].span_id
    else:
        assert (found["init"].trace_id, found["init"].span_id) == (
            digest(f"{INSTANCE}/init", 16),
            digest(f"{INSTANCE}/init", 8),
        )
        assert found["init"].parent_id == b""
        assert "faas.invocation_id" not in found["init"].attributes
        assert found["invoke"].links == (Link(trace_id=found["init"].trace_id, span_id=found["init"].span_id),)
        assert found["invoke"].attributes["lambda.busy_start_unix_nano"] == found["invoke"].start_ns


def test_provisioned_concurrency_is_never_a_cold_start_and_its_init_report_may_come_during_the_invocation():
    lifecycle = sandbox("provisioned-concurrency")
    kind = {"initialization_type": "provisioned-concurrency"}
    feed(lifecycle, init_start(**kind), init_done(99, **kind))
    lifecycle.on_invoke(invoke(), 1)
    spans = feed(lifecycle, start(500), init_report(501, 100.0, **kind), done(600, 100))
    found = by_phase(spans)
    assert found["invoke"].attributes["faas.coldstart"] is False
    assert found["invoke"].attributes["lambda.proactive_init"] is False
    assert found["invoke"].attributes["lambda.initialization_type"] == "provisioned-concurrency"
    assert found["init"].end_ns == T0 + 100 * MS


def test_snap_start_has_a_restore_and_not_the_days_old_init():
    lifecycle = sandbox("snap-start")
    old = {"initialization_type": "snap-start", "phase": "snap-start"}
    days = -3 * 86_400_000
    feed(lifecycle, init_start(days, **old), init_done(days + 900, **old), init_report(days + 901, 901.0, **old))
    restored = recorded("snap_start_restore")
    feed(lifecycle, *restored[:3])
    lifecycle.on_invoke(invoke(), 1)
    start_ns = restored[0].time_ns + 152 * MS
    began = r.Start(time_ns=start_ns, request_id=ID)
    ended = r.RuntimeDone(time_ns=start_ns + MS, request_id=ID, duration_ms=1.0, status="success", spans=())
    found = by_phase(feed(lifecycle, began, ended))
    assert set(found) == {"restore", "invoke"}
    assert found["restore"].parent_id == found["invoke"].span_id
    assert (found["restore"].start_ns, found["restore"].end_ns) == (
        restored[0].time_ns,
        restored[0].time_ns + 150_500_000,
    )
    assert found["restore"].attributes["lambda.runtime_version"] == "java:21.v4"
    assert found["invoke"].attributes["faas.coldstart"] is True
    assert found["invoke"].attributes["lambda.busy_start_unix_nano"] == restored[0].time_ns


def test_a_suppressed_init_is_a_part_of_the_invocation_that_waits_for_it():
    """Init failed; the platform does it again within the first invocation (phase `invoke`), on its time."""
    lifecycle = sandbox()
    failed = {"status": "error", "error_type": "Runtime.ExitError"}
    feed(lifecycle, init_start(), init_done(50, **failed), init_report(51, 51.0, **failed))
    lifecycle.on_invoke(invoke(), 1)
    spans = feed(
        lifecycle, start(60), init_start(61, phase="invoke"), init_done(90), init_report(91, 30.0, phase="invoke")
    )
    spans += feed(lifecycle, done(120, 60))
    inits = [span for span in spans if span.attributes["lambda.phase"] == "init"]
    assert [span.attributes["lambda.init.phase"] for span in inits] == ["init", "invoke"]
    assert [span.status_message for span in inits] == ["Runtime.ExitError", ""]
    assert len({span.span_id for span in inits}) == 2
    [span] = [span for span in spans if span.attributes["lambda.phase"] == "invoke"]
    assert {init.parent_id for init in inits} == {span.span_id}
    assert span.attributes["faas.coldstart"] is True


def test_an_init_that_nobody_ever_used_is_told_at_shutdown():
    lifecycle = sandbox()
    feed(lifecycle, init_start(), init_done(99), init_report(100, 100.0))
    found = by_phase(lifecycle.on_shutdown(r.Shutdown(reason="spindown"), T0 + 900 * MS, T0 + 901 * MS))
    assert set(found) == {"init", "shutdown"}
    assert found["init"].trace_id == digest(f"{INSTANCE}/init", 16)
    assert (found["shutdown"].start_ns, found["shutdown"].end_ns) == (T0 + 900 * MS, T0 + 901 * MS)
    assert found["shutdown"].trace_id == digest(f"{INSTANCE}/shutdown", 16)


def test_of_a_first_invocation_without_init_records_nobody_knows_whether_it_was_cold():
    lifecycle = sandbox()
    lifecycle.on_invoke(invoke(), 1)
    [span] = feed(lifecycle, start(0), done(5, 5))
    assert "faas.coldstart" not in span.attributes


# Order of arrival ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["ISD", "SID", "SDI"])
def test_invoke_event_start_and_done_in_any_order_make_the_same_span(order):
    """runtimeDone is never before start, which is the same stream; the INVOKE event may be anywhere."""
    lifecycle = initialised()
    steps = {
        "I": lambda: lifecycle.on_invoke(invoke(), T0),
        "S": lambda: feed(lifecycle, start(0)),
        "D": lambda: feed(lifecycle, done(5, 5)),
    }
    [span] = without_init(span for step in order for span in steps[step]())
    assert (span.start_ns, span.end_ns) == (T0, T0 + 5 * MS)
    assert span.attributes["aws.lambda.invoked_arn"] == ARN
    assert lifecycle.is_done(ID)


class Journal:
    """Notes what is kept of the attempts, in order."""

    def __init__(self):
        self.lines = []

    def settled(self, instance_id, exporter, life, *, given):
        """Of no interest here."""

    def forget(self):
        """Of no interest here."""

    def began(self, attempt):
        self.lines.append(("open", attempt.number))

    def ended(self, attempt, end_ns):
        self.lines.append(("ended", attempt.number))


def test_an_invoke_event_that_is_read_after_all_records_of_its_invocation_begins_no_other():
    """At a reset start, runtimeDone and report are delivered at once, and may be handled before the event is read."""
    journal = Journal()
    lifecycle = Lifecycle(Sandbox("orders", "on-demand", 0, lambda: INSTANCE), journal)
    spans = feed(lifecycle, init_start(), init_done(99), init_report(100, 100.0))
    spans += feed(lifecycle, start(101), done(121, 20.0, status="failure"), report(125, 24.0, status="failure"))
    spans += lifecycle.on_invoke(invoke(), T0 + 126 * MS)
    assert lifecycle.settled
    spans += lifecycle.on_shutdown(r.Shutdown(reason="failure", deadline_ms=None), T0 + 130 * MS, T0 + 131 * MS)
    [span] = [span for span in spans if span.attributes["lambda.phase"] == "invoke"]
    assert (span.attributes["lambda.attempt"], span.attributes["lambda.status"]) == (1, "failure")
    assert "lambda.end_estimated" not in span.attributes
    assert journal.lines == [("open", 1), ("ended", 1)]


@pytest.mark.parametrize("first", [0, 1, 2, 3])
@pytest.mark.parametrize("again", [0, 1, 2, 3])
def test_a_retry_in_the_same_sandbox_is_the_second_attempt_whenever_its_event_is_read(first, again):
    """`first` and `again`: how many records of the attempt are handled before its INVOKE event."""
    lifecycle = sandbox()
    spans = []
    for begin_ms, before in ((101, first), (60_101, again)):
        steps = [lambda record=record: lifecycle.on_record(record) for record in (
            start(begin_ms), done(begin_ms + 20, 20.0), report(begin_ms + 25, 24.0))]  # fmt: skip
        steps.insert(before, lambda ms=begin_ms: lifecycle.on_invoke(invoke(), T0 + ms * MS))
        for step in steps:
            spans += step()
    made = [(s.attributes["lambda.attempt"], s.start_ns) for s in spans if s.attributes["lambda.phase"] == "invoke"]
    assert made == [(1, T0 + 101 * MS), (2, T0 + 60_101 * MS)]


def test_an_invoke_event_never_joins_an_attempt_of_the_process_before():
    """What the journal recalls was invoked then; that its line does not say when changes nothing."""
    header = "lambdascope 2 boot api orders:1\n"
    remembered = parse(f"{header}life 0\nended 1 {T0} {ID}\n", header, 64)
    assert remembered is not None
    lifecycle = sandbox()
    lifecycle.go_on_from(remembered, T0)
    assert phases(feed(lifecycle, report(5, 4.0))) == ["post_runtime"]
    spans = lifecycle.on_invoke(invoke(), T0 + 60_000 * MS)
    spans += feed(lifecycle, start(60_000), done(60_020, 20.0))
    assert spans[0].attributes["lambda.attempt"] == 2
    assert spans[0].attributes["aws.lambda.invoked_arn"] == ARN


def test_a_process_that_heard_of_nothing_does_not_know_what_failed():
    """After a failed init, SHUTDOWN may be the first that a process hears: the records are still to come."""
    lifecycle = sandbox()
    assert (lifecycle.settled, lifecycle.knows_what_failed) == (True, False)
    feed(lifecycle, init_start(phase="invoke"), init_report(50, 50.0, phase="invoke", status="error"))
    assert not lifecycle.knows_what_failed  # it is a part of an invocation, which has a report
    feed(lifecycle, report(60, 60.0, status="error"))
    assert lifecycle.knows_what_failed


@pytest.mark.parametrize(("status", "knows"), [("error", True), ("timeout", True), ("success", False)])
def test_a_failed_init_is_the_end_of_its_process(status, knows):
    lifecycle = sandbox()
    feed(lifecycle, init_start(), init_report(50, 50.0, phase="init", status=status))
    assert lifecycle.knows_what_failed is knows


def test_a_lost_start_is_told_by_the_duration():
    lifecycle = initialised()
    lifecycle.on_invoke(invoke(), T0 - 3 * MS)
    span, _ = without_init(feed(lifecycle, done(5, 5), report(6, 6.0)))
    assert (span.start_ns, span.end_ns) == (T0, T0 + 5 * MS)


def test_one_batch_may_hold_the_end_of_one_and_the_start_of_the_next():
    lifecycle = sandbox()
    for id_ in ("a", "b"):
        lifecycle.on_invoke(invoke(id_), T0)
    spans = feed(lifecycle, start(0, "a"), done(5, 5, "a"), report(6, 6, "a"), start(10, "b"), done(15, 5, "b"))
    assert [s.attributes["faas.invocation_id"] for s in spans] == ["a", "a", "b"]


def test_on_managed_instances_requests_run_side_by_side_and_end_with_their_reports():
    lifecycle = sandbox("lambda-managed-instances")
    spans = feed(lifecycle, start(0, "a"), start(1, "b"), report(6, 5, "b"), report(9, 9, "a"))
    ends = [(s.attributes["faas.invocation_id"], s.attributes["lambda.phase"], (s.end_ns - T0) // MS) for s in spans]
    assert ends == [("b", "invoke", 6), ("b", "post_runtime", 6), ("a", "invoke", 9), ("a", "post_runtime", 9)]
    assert not any("lambda.end_estimated" in span.attributes for span in spans)


def test_nothing_is_told_twice():
    lifecycle = sandbox()
    spans = whole_cold_start(lifecycle)
    again = feed(lifecycle, report(125, 24.0))
    assert again == []
    assert len({span.span_id for span in spans}) == len(spans)


# Bad ends ------------------------------------------------------------------------------------------------------------


def test_a_recorded_timeout():
    lifecycle = sandbox()
    records = recorded("timeout")
    lifecycle.on_invoke(invoke(records[0].request_id), 1)
    spans = by_phase(feed(lifecycle, *records))
    span = spans["invoke"]
    assert span.end_ns - span.start_ns == 3_000_000_000
    assert (span.attributes["lambda.status"], span.attributes["error.type"]) == ("timeout", "timeout")
    assert (span.status_code, span.status_message) == (2, "timeout")
    assert spans["post_runtime"].end_ns == span.end_ns


@pytest.mark.parametrize(
    ("reason", "status", "end_ms"), [("timeout", "timeout", 3000), ("failure", "error", 3000), ("spindown", None, 3000)]
)
def test_what_is_open_at_shutdown_gets_the_most_likely_end(reason, status, end_ms):
    lifecycle = sandbox()
    lifecycle.on_invoke(invoke(deadline_ms=(T0 + 3000 * MS) / MS), T0 + MS)
    feed(lifecycle, start(0))
    spans = by_phase(lifecycle.on_shutdown(r.Shutdown(reason=reason), T0 + 3100 * MS, T0 + 3101 * MS))
    span = spans["invoke"]
    assert (span.start_ns, span.end_ns) == (T0, T0 + end_ms * MS)
    assert span.attributes.get("lambda.status") == span.attributes.get("error.type") == status
    assert span.attributes["lambda.end_estimated"] is True
    assert spans["shutdown"].attributes["lambda.shutdown_reason"] == reason


def test_an_invocation_of_which_only_the_event_is_known_is_told_too():
    lifecycle = sandbox()
    lifecycle.on_invoke(invoke(), T0)
    spans = by_phase(lifecycle.on_shutdown(r.Shutdown(reason="failure"), T0 + 50 * MS, T0 + 51 * MS))
    assert (spans["invoke"].start_ns, spans["invoke"].end_ns) == (T0, T0 + 50 * MS)


def test_invocations_of_which_only_the_events_are_known_end_with_the_next_one():
    lifecycle = sandbox()
    for n in range(3):
        lifecycle.on_invoke(invoke(f"r{n}"), T0 + n * 100 * MS)
    spans = lifecycle.on_shutdown(r.Shutdown(reason="spindown"), T0 + 900 * MS, T0 + 901 * MS)
    assert [(span.end_ns - T0) // MS for span in spans] == [100, 200, 900, 901]


def test_the_next_start_ends_what_the_platform_never_ended():
    lifecycle = sandbox()
    lifecycle.on_invoke(invoke("lost"), T0)
    feed(lifecycle, start(0, "lost"))
    lifecycle.on_invoke(invoke("next"), T0 + 70 * MS)
    [span] = feed(lifecycle, start(70, "next"))
    assert (span.attributes["faas.invocation_id"], span.end_ns) == ("lost", T0 + 70 * MS)
    assert span.attributes["lambda.end_estimated"] is True


def test_a_report_alone_ends_an_invocation():
    lifecycle = sandbox()
    lifecycle.on_invoke(invoke(), T0)
    feed(lifecycle, start(0))
    spans = by_phase(feed(lifecycle, report(31, 30, status="error", error_type="Runtime.OutOfMemory")))
    assert spans["invoke"].end_ns == spans["post_runtime"].start_ns == T0 + 30 * MS
    assert spans["invoke"].status_message == "Runtime.OutOfMemory"
    assert spans["invoke"].attributes["lambda.end_estimated"] is True


def test_records_that_are_no_spans_are_counted():
    lifecycle = sandbox()
    assert feed(lifecycle, *recorded("unknown_kinds"), *recorded("logs_dropped")) == []
    assert (lifecycle.unknown_events, lifecycle.logs_dropped) == (2, 123)


# Logs ----------------------------------------------------------------------------------------------------------------


def test_log_lines_join_the_invocation_that_wrote_them():
    lifecycle = sandbox()
    plain, error, warn, entry = recorded("function_logs")
    of_init = lifecycle.on_log(read_line(plain), 9)
    assert (of_init.trace_id, of_init.body, of_init.observed_ns) == (b"", "plain line", 9)
    other = "79b40000-0000-4000-8000-000000000001"
    feed(lifecycle, start(0, other), done(5, 5, other), report(6, 6, other), start(10, ID))
    line = lifecycle.on_log(read_line(plain), 9)
    assert (line.trace_id, line.span_id) == (digest(ID, 16), digest(f"{ID}/{INSTANCE}/1/invoke", 8))
    for record, level, number in ((error, "ERROR", 17), (warn, "WARN", 13), (entry, "INFO", 9)):
        line = lifecycle.on_log(read_line(record), 9)
        assert (line.trace_id, line.severity_text, line.severity_number) == (digest(other, 16), level, number)
        assert line.attributes["faas.invocation_id"] == other
    assert (line.body, line.attributes["order"]) == ("hi", {"id": 7})
    assert line.time_ns == at("2024-05-20T16:29:45.009Z")


def test_fixtures_are_json_that_people_can_read():
    for path in FIXTURES.glob("*.json"):
        assert isinstance(json.loads(path.read_text()), list)


# What is told while it runs, and what can be chosen -------------------------------------------------------------------


def test_a_long_invocation_is_told_of_once_while_it_runs():
    """In-flight: the id is the final one's, there is no status, and the final span has no mark of it."""
    lifecycle = initialised()
    lifecycle.on_invoke(invoke(), T0)
    assert lifecycle.next_in_flight_ns(10_000 * MS) is None  # of an invocation without platform.start nothing is known
    feed(lifecycle, start(1))
    assert lifecycle.next_in_flight_ns(10_000 * MS) == T0 + 10_001 * MS
    assert lifecycle.in_flight(T0 + 10_000 * MS, 10_000 * MS) == []
    init, record = lifecycle.in_flight(T0 + 10_001 * MS, 10_000 * MS)
    assert init.attributes["lambda.phase"] == "init"  # it is told of by now, as of each invocation that came so far
    assert lifecycle.in_flight(T0 + 20_000 * MS, 10_000 * MS) == []
    assert lifecycle.next_in_flight_ns(10_000 * MS) is None
    assert (record.start_ns, record.end_ns, record.status_code) == (T0 + 1 * MS, T0 + 10_001 * MS, 0)
    assert record.attributes["lambda.in_flight"] is True
    assert "lambda.status" not in record.attributes
    [final] = feed(lifecycle, done(20_000, 19_999.0))
    assert (final.span_id, final.trace_id) == (record.span_id, record.trace_id)
    assert "lambda.in_flight" not in final.attributes


def test_what_began_long_before_it_was_heard_of_is_told_of_after_as_long_again():
    """Records of another day, or of another clock, are no long invocation."""
    lifecycle = initialised()
    lifecycle.on_invoke(invoke(), T0)
    feed(lifecycle, start(1))
    now_ns = T0 + 86_400_000 * MS
    assert lifecycle.in_flight(now_ns, 10_000 * MS) == []
    assert lifecycle.next_in_flight_ns(10_000 * MS) == now_ns + 10_000 * MS
    assert phases(lifecycle.in_flight(now_ns + 10_000 * MS, 10_000 * MS)) == ["init", "invoke"]


def test_compact_has_the_response_on_the_invocation():
    lifecycle = initialised(SpanStyle(compact=True))
    lifecycle.on_invoke(invoke(), T0)
    part = r.PlatformSpan(name="responseLatency", start_ns=T0, duration_ms=2.5)
    other = r.PlatformSpan(name="runtimeOverhead", start_ns=T0, duration_ms=0.25)
    [span] = without_init(feed(lifecycle, start(1), done(21, 20.0, spans=(part, other))))
    assert span.attributes["lambda.response_latency_ms"] == 2.5
    assert span.attributes["lambda.runtime_overhead_ms"] == 0.25
    assert "lambda.response_duration_ms" not in span.attributes


def test_the_extension_says_what_it_costs_on_these_spans():
    lifecycle = sandbox(style=SpanStyle(lambda phase: {"lambda.extension.cpu_ms": 1.5, "for": phase}))
    spans = whole_cold_start(lifecycle)
    spans += lifecycle.on_shutdown(r.Shutdown(reason="spindown"), T0 + 200 * MS, T0 + 201 * MS)
    costs = {span.attributes["lambda.phase"]: span.attributes.get("for") for span in spans}
    assert costs == {"init": "init", "invoke": None, "post_runtime": "post_runtime", "shutdown": "shutdown"}


def test_the_phases_of_no_invocation_have_ids_of_their_own_in_each_life():
    """After a reset the same sandbox can shut down again."""
    remembered = Remembered()
    remembered.instance_id = INSTANCE
    ids = set()
    for lives in (0, 1, 2):
        lifecycle = sandbox()
        if lives:
            remembered.lives = lives
            lifecycle.go_on_from(remembered, T0)
        [span] = lifecycle.on_shutdown(r.Shutdown(reason="timeout"), T0, T0)
        ids |= {(span.trace_id, span.span_id)}
    assert len(ids) == 3
    assert (digest(f"{INSTANCE}/shutdown", 16), digest(f"{INSTANCE}/shutdown", 8)) in ids
    assert (digest(f"{INSTANCE}/shutdown/3", 16), digest(f"{INSTANCE}/shutdown/3", 8)) in ids


def test_a_journal_of_another_instance_is_given_up_when_the_platform_says_so():
    """Where sandboxes share a /tmp: nothing of the other one is ended here, and its attempts do not count."""
    remembered = Remembered()
    remembered.instance_id, remembered.instance_given = "other", True
    open_one = Attempt(ID, 1)
    open_one.start = start(-500)
    remembered.attempts = [open_one]
    lifecycle = sandbox()
    lifecycle.go_on_from(remembered, T0)
    spans = feed(lifecycle, init_start(instance_id=INSTANCE), init_done(99), init_report(100, 100.0))
    spans += lifecycle.on_invoke(invoke(), T0 + 101 * MS) + feed(lifecycle, start(101), done(121, 20.0))
    assert phases(spans) == ["init", "invoke"]
    assert spans[-1].attributes["lambda.attempt"] == 1
    assert lifecycle.instance_id == INSTANCE


# Who it is -----------------------------------------------------------------------------------------------------------

STREAM = "2026/11/21/[$LATEST]3893455b4a4a4f6c8d6e7f8091a2b3c4"


@pytest.mark.parametrize(
    ("given", "stream", "taken"),
    [("a1b2", STREAM, "a1b2"), (None, STREAM, STREAM), (None, "", INSTANCE), (None, "no token\n", INSTANCE)],
)
def test_the_id_is_the_platforms_else_the_log_stream_else_drawn(given, stream, taken):
    """Semantic conventions, ``faas.instance``: on Lambda, the log stream."""
    lifecycle = Lifecycle(Sandbox("orders", "on-demand", 0, lambda: INSTANCE, None, lambda: stream))
    feed(lifecycle, init_start(instance_id=given))
    assert (lifecycle.instance_id, lifecycle.exporter) == (taken, taken)


def test_with_an_id_that_lasts_a_process_after_a_reset_numbers_its_batches_apart():
    """Without a journal it begins at 1 again, which must not be taken for repeats of what the one before it sent."""
    numbered = set()
    for _ in range(3):
        lifecycle = Lifecycle(Sandbox("orders", "on-demand", 0, lambda: INSTANCE, None, lambda: STREAM))
        feed(lifecycle, init_start(phase="invoke"))
        assert lifecycle.instance_id == STREAM
        numbered.add(lifecycle.exporter)
    assert len(numbered) == 3
    assert all(name.startswith(f"{STREAM}/") for name in numbered)
