"""What goes wrong around a function costs it nothing, and each trouble is told in one line that names it."""

import socket

import pytest

from deploy.local.invoke import invoke
from deploy.local.stack import Stack, wait_for

pytestmark = pytest.mark.layer

FUNCTION = """
functions:
  steady:
    code: {code}
    handler: steady.handle
    environment: {environment}
"""


@pytest.fixture
def lines_of(tmp_path, request):
    """Runs three invocations with this environment and collector address; what the extension printed."""

    def run(environment, collector="127.0.0.1:1"):
        code = request.path.parent / "functions"
        scenario = tmp_path / "scenario.yaml"
        # Without namespaces the sandboxes share /tmp, and what another user left there would be told too.
        quiet = environment.replace("{", "{LAMBDASCOPE_STATE_FILE: 'off', ", 1)
        scenario.write_text(FUNCTION.format(code=code, environment=quiet))
        with Stack(tmp_path / "stack") as stack:
            emulator = stack.start_emulator(scenario, collector, "--logs")
            for n in range(3):
                answer = invoke(emulator.url, "steady", {"n": n})
                assert (answer.status, answer.function_error, answer.body) == (200, None, str(n).encode())
                emulator.settled(n + 1)
            emulator.process.stop()
            durations = [record["duration_ms"] for record in emulator.records("invocation")]
            return [line for line in emulator.process.output().splitlines() if "lambdascope:" in line], durations

    return run


def test_an_unreachable_collector_is_named_once_and_the_function_goes_on(lines_of):
    lines, durations = lines_of("{OTEL_EXPORTER_OTLP_ENDPOINT: 'http://${relay:collector:4318}'}")
    assert len(lines) == 1
    assert "collector:4318" in lines[0] or "127.0.0.1:1" in lines[0]
    assert len(durations) == 3


def test_a_collector_that_never_answers_does_not_hold_the_function_up_to_its_timeout(lines_of):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        lines, durations = lines_of(
            "{OTEL_EXPORTER_OTLP_ENDPOINT: 'http://${relay:collector:4318}'}", f"127.0.0.1:{port}"
        )
    assert len(lines) == 1
    assert "collector:4318" in lines[0]
    assert max(durations) < 3000, durations  # the timeout: each invocation ended before it


def test_without_an_endpoint_one_line_says_that_nothing_is_exported(lines_of):
    lines, _ = lines_of("{}")
    assert len(lines) == 1
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in lines[0]


def test_a_wrong_setting_is_named_with_its_value_and_the_function_goes_on(lines_of):
    lines, _ = lines_of("{OTEL_EXPORTER_OTLP_ENDPOINT: 'http://${relay:collector:4318}', LAMBDASCOPE_FLUSH: sometimes}")
    assert any("LAMBDASCOPE_FLUSH" in line and "sometimes" in line and "adaptive" in line for line in lines)


def test_a_malformed_body_is_refused_by_a_message_that_names_it(tmp_path):
    import http.client

    with Stack(tmp_path / "stack") as stack:
        connection = http.client.HTTPConnection(stack.start_collector().http, timeout=30)
        connection.request("POST", "/v1/traces", b"{not otlp", {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
    assert answer.status == 400
    assert "JSON" in text


def test_the_smoke_run_fails_where_a_figure_is_wrong():
    from deploy.local.smoke import differences_of
    from semconv import phases

    summary = {
        "invocations": 4, "cold_starts": 2, "peak_concurrency": 2, "throttles": 3, "iterator_age_ms_max": 7,
    }  # fmt: skip
    counts = dict.fromkeys((phases.INIT, phases.EXTENSION_INIT, phases.SHUTDOWN), 2)
    counts |= dict.fromkeys((phases.RUNTIME_AND_FUNCTION_INIT, phases.RUNTIME_INIT, phases.FUNCTION_INIT), 1)
    right = {
        **summary, "lost": 0, "duplicated": 0, "phases": {**counts, phases.INVOKE: 4, phases.POST_RUNTIME: 4},
    }  # fmt: skip
    assert differences_of(right, summary, sandboxes=2, probed=1) == []
    wrongs: list[dict[str, object]] = [
        {"invocations": 3}, {"peak_concurrency": 3}, {"lost": 1}, {"duplicated": 1}, {"throttles": 2},
        {"iterator_age_ms_max": 0}, {"phases": counts},
    ]  # fmt: skip
    for wrong in wrongs:
        assert differences_of({**right, **wrong}, summary, sandboxes=2, probed=1)


def test_waiting_in_vain_says_for_what():
    from deploy.local.processes import ProcessError

    with pytest.raises(ProcessError, match="in vain for a miracle"):
        wait_for(lambda: False, "a miracle", timeout_s=0.2)
