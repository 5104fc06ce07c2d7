"""Functions that crash, in each invocation or before any: each invocation is still one row."""

from collections import Counter
from pathlib import Path

import pytest

from deploy.local.invoke import invoke
from deploy.local.stack import Stack, wait_for

pytestmark = pytest.mark.layer

SCENARIO = Path(__file__).parent / "crashes.yaml"
FUNCTIONS = ("exits_at_import", "has_no_such_handler", "killed_at_work")
EACH = 20


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """20 invocations of each function, one after the other, all that was sent stored: the record and the rows."""
    with Stack(tmp_path_factory.mktemp("crashes") / "stack") as stack:
        collector = stack.start_collector()
        emulator = stack.start_emulator(SCENARIO, collector.http)
        for n in range(EACH):
            for function in FUNCTIONS:
                answer = invoke(emulator.url, function, {"n": n})
                assert (answer.status, answer.function_error) == (200, "Unhandled")
        emulator.settled(EACH * len(FUNCTIONS))
        emulator.process.stop()
        client = collector.client()

        def rows():
            return list(client.query("SELECT * FROM lambda_invocations").named_results())

        expected = emulator.records("invocation")
        try:
            wait_for(lambda: len(rows()) >= len(expected), "the rows to be stored", timeout_s=15)
        except Exception:  # noqa: BLE001 - the tests say what is missing
            pass
        yield expected, rows()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_invocation_of_a_crashing_function_is_one_row(run, function):
    expected, rows = run
    seen = {record["request_id"]: 1 for record in expected if record["function"] == function}
    assert len(seen) == EACH
    assert Counter(row["RequestId"] for row in rows if row["FunctionName"] == function) == seen


def test_each_is_a_first_attempt_with_the_status_that_the_platform_gave(run):
    expected, rows = run
    status = {record["request_id"]: record["status"] for record in expected}
    assert [(row["Attempt"], row["Status"]) for row in rows] == [(1, status[row["RequestId"]]) for row in rows]
