"""After a timeout or a crash: a second process in the same sandbox goes on where the first was ended."""

import hashlib
import time

import pytest

from tests.support.extension import attributes, rfc3339, running_extension

_ID = "6f1c0000-0000-4000-8000-000000000001"
_MS = 1_000_000


@pytest.fixture
def environ(collector):
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "LAMBDASCOPE_FLUSH": "end"}


def begin(fake, request_id, number, *, timeout_s=30.0):
    """An invocation that does not end; when it started."""
    fake.wait_for_next(number)
    start_ns = time.time_ns() // _MS * _MS
    fake.push_invoke(request_id, timeout_s=timeout_s)
    start = {"requestId": request_id, "version": "$LATEST"}
    fake.deliver([{"time": rfc3339(start_ns), "type": "platform.start", "record": start}])
    return start_ns


def invokes(collector):
    """(request, attempt, status, instance) of every invoke span, in the order of the exports."""
    found = []
    for export in collector.trace_exports:
        for span in export.spans:
            values = attributes(span.attributes)
            if values["lambda.phase"] == "invoke":
                instance = export.headers["x-lambdascope-instance"]
                found.append(
                    (values["faas.invocation_id"], values["lambda.attempt"], values["lambda.status"], instance)
                )
    return found


def test_a_timeout_keeps_the_sandbox(fake_lambda, collector, environ, tmp_path):
    """The id stays, a retry is the second attempt, and the numbers of the batches go on."""
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        fake_lambda.run_invocation("before", 1)
        begin(fake_lambda, _ID, 2, timeout_s=0.5)
        fake_lambda.push_shutdown("timeout")
        assert ext.wait() == 0
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        number = fake_lambda.next_calls + 1
        fake_lambda.run_invocation(_ID, number)
        fake_lambda.wait_for_next(number + 1)
        fake_lambda.push_shutdown()
        assert (ext.wait(), ext.stderr) == (0, [])
    found = invokes(collector)
    assert [row[:3] for row in found] == [("before", 1, "success"), (_ID, 1, "timeout"), (_ID, 2, "success")]
    assert len({row[3] for row in found}) == 1
    numbers = [int(export.headers["x-lambdascope-sequence"]) for export in collector.trace_exports]
    assert numbers == list(range(1, len(numbers) + 1))
    assert int(collector.trace_exports[-1].headers["x-lambdascope-total"]) == len(collector.spans)
    assert len({span.span_id for span in collector.spans}) == len(collector.spans)
    assert len(collector.spans_of("shutdown")) == 2
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(("timeout_s", "status"), [(30.0, "error"), (0.3, "timeout")])
def test_a_process_that_was_killed_has_its_open_invocation_ended_by_the_next(
    fake_lambda, collector, environ, tmp_path, timeout_s, status
):
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        fake_lambda.run_invocation("before", 1)
        start_ns = begin(fake_lambda, _ID, 2, timeout_s=timeout_s)
        journal = tmp_path / "state"
        while f" {start_ns} " not in journal.read_text():
            time.sleep(0.005)
        while time.time_ns() < start_ns + 310 * _MS:  # past the shorter of the deadlines
            time.sleep(0.01)
        ext.process.kill()
        ext.process.wait()
    if fake_lambda.next_calls == 3:
        fake_lambda.push_raw(b"")  # for the request that nobody waits for any longer
    instance = collector.trace_exports[0].headers["x-lambdascope-instance"]
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        restarted_ns = time.time_ns()
        number = fake_lambda.next_calls + 1
        fake_lambda.run_invocation("after", number)
        fake_lambda.wait_for_next(number + 1)
        fake_lambda.push_shutdown()
        assert (ext.wait(), ext.stderr) == (0, [])
    assert invokes(collector) == [
        ("before", 1, "success", instance), (_ID, 1, status, instance), ("after", 1, "success", instance),
    ]  # fmt: skip
    span_id = hashlib.sha256(f"{_ID}/{instance}/1/invoke".encode()).digest()[:8]
    [closed] = [span for span in collector.spans if span.span_id == span_id]
    assert attributes(closed.attributes)["lambda.end_estimated"] is True
    assert closed.start_time_unix_nano == start_ns
    assert start_ns < closed.end_time_unix_nano <= restarted_ns + 1_000 * _MS


def test_two_retries_here_and_one_in_another_sandbox_are_four_attempts(fake_lambda, collector, environ, tmp_path):
    """The same request: once and twice again in one sandbox, between which it crashes; then in another."""
    for reason in ("failure", "failure", "spindown"):
        with running_extension(fake_lambda.address, tmp_path, environ) as ext:
            number = fake_lambda.next_calls + 1
            fake_lambda.run_invocation(_ID, number)
            fake_lambda.wait_for_next(number + 1)
            fake_lambda.push_shutdown(reason)
            assert ext.wait() == 0
    other = tmp_path / "other"
    other.mkdir()
    with running_extension(fake_lambda.address, other, environ) as ext:
        number = fake_lambda.next_calls + 1
        fake_lambda.run_invocation(_ID, number)
        fake_lambda.wait_for_next(number + 1)
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
    rows = [(attempt, instance) for _, attempt, _, instance in invokes(collector)]
    here, elsewhere = rows[0][1], rows[3][1]
    assert rows == [(1, here), (2, here), (3, here), (1, elsewhere)]
    assert here != elsewhere


def test_a_late_report_of_before_the_reset_finds_its_attempt(fake_lambda, collector, environ, tmp_path):
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        before = fake_lambda.run_invocation(_ID, 1)
        fake_lambda.wait_for_next(2)
        fake_lambda.push_shutdown("failure")
        ext.wait()
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        number = fake_lambda.next_calls + 1
        fake_lambda.wait_for_next(number)
        fake_lambda.deliver([before.report()])
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
    [values] = collector.spans_of("post_runtime")
    assert (values["faas.invocation_id"], values["lambda.attempt"]) == (_ID, 1)
    assert len(collector.spans_of("invoke")) == 1


def test_without_a_place_for_the_journal_everything_else_goes_on(fake_lambda, collector, environ, tmp_path):
    nowhere = {**environ, "LAMBDASCOPE_STATE_FILE": "/proc/nothing/can/be/written/here"}
    with running_extension(fake_lambda.address, tmp_path, nowhere) as ext:
        fake_lambda.run_invocation(_ID, 1)
        fake_lambda.wait_for_next(2)
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
        [line] = ext.stderr
    assert "counts as a new one" in line
    assert len(collector.spans_of("invoke")) == 1


def suppressed_init(instance_id):
    """The init of a process that was started again, as the platform tells of it."""
    about = {"initializationType": "on-demand", "phase": "invoke", "functionName": "orders", "instanceId": instance_id}
    return {"time": rfc3339(time.time_ns()), "type": "platform.initStart", "record": about}


def test_what_could_not_be_sent_before_a_reset_is_sent_after_it(fake_lambda, collector, environ, tmp_path):
    """The collector has the first try of it, and its answer is lost: the next process sends the same bytes again."""
    collector.answer = lambda _export: None
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        fake_lambda.run_invocation("before", 1)
        fake_lambda.wait_for_next(2)
        fake_lambda.push_shutdown("failure")
        assert ext.wait() == 0
    assert (tmp_path / "state.batches").stat().st_mode & 0o777 == 0o600
    lost = collector.requests[0]
    collector.answer = lambda _export: (200, {}, b"")
    collector.released.set()
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        number = fake_lambda.next_calls + 1
        fake_lambda.run_invocation("after", number)
        fake_lambda.wait_for_next(number + 1)
        fake_lambda.push_shutdown()
        assert (ext.wait(), ext.stderr) == (0, [])
    assert [row[0] for row in invokes(collector)] == ["before", "after"]
    again = collector.trace_exports[0]
    numbers = [name for name in lost.headers if name.startswith("x-lambdascope-")]
    assert (again.body, [again.headers[name] for name in numbers]) == (lost.body, [lost.headers[n] for n in numbers])
    assert [int(e.headers["x-lambdascope-sequence"]) for e in collector.trace_exports] == list(
        range(1, len(collector.trace_exports) + 1)
    )
    assert list(tmp_path.glob("state*")) == []


def test_without_its_journal_a_reset_sandbox_repeats_no_number(fake_lambda, collector, environ, tmp_path):
    """The platform gives the same id as before, and /tmp was emptied: the numbers begin anew, under another name."""
    names: list[str] = []
    for reason in ("failure", "failure", "spindown"):
        with running_extension(fake_lambda.address, tmp_path, environ) as ext:
            number = fake_lambda.next_calls + 1
            fake_lambda.wait_for_next(number)
            first = suppressed_init("i-1")
            if not names:
                first["record"]["phase"] = "init"
            fake_lambda.deliver([first])
            fake_lambda.run_invocation(f"request-{len(names)}", number)
            fake_lambda.wait_for_next(number + 1)
            fake_lambda.push_shutdown(reason)
            assert ext.wait() == 0
        names.append(collector.trace_exports[-1].headers["x-lambdascope-instance"])
        if len(names) == 1:
            (tmp_path / "state").unlink()
    assert names[0] == "i-1"
    assert names[1].startswith("i-1/")
    assert names[2] == names[1]  # which it has from the journal of the second
    sent = [(e.headers["x-lambdascope-instance"], e.headers["x-lambdascope-sequence"]) for e in collector.trace_exports]
    assert len(set(sent)) == len(sent)
    assert len(collector.spans_of("shutdown")) == 3
    assert len({span.span_id for span in collector.spans}) == len(collector.spans)
