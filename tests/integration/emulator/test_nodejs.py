"""Functions on Node.js: npm's ``aws-lambda-ric``, as ``make nodejs`` builds it."""

import subprocess

import pytest

from emulator.runtimes import EXEC_WRAPPER, find_runtime
from tests.support.emulator import PATIENCE_S, wait_for

HANDLER = """
console.log("loading");
if (process.env.FAIL_IN_INIT) throw new RangeError("cannot load");
export const handler = async (event, context) => {
  if (event.print) console.log(event.print);
  if (event.raise) throw new TypeError(event.raise);
  if (event.exit) process.exit(event.exit);
  return { event, arn: context.invokedFunctionArn, environment: process.env, argv: process.execArgv };
};
"""


@pytest.fixture
def start_node(start, tmp_path):
    (tmp_path / "code" / "app.mjs").write_text(HANDLER, encoding="utf-8")
    return lambda *arguments, **settings: start(*arguments, runtime="nodejs", **settings)


def version():
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=PATIENCE_S, check=True).stdout
    return int(told.removeprefix("v").split(".")[0])


def test_a_handler_answers_and_is_told_of(start_node, layer):
    emulator = start_node("--layer", layer)

    body = emulator.invoke("f", {"print": "hello", "a": 1})[2]
    emulator.stop()

    assert body["event"] == {"print": "hello", "a": 1}
    assert body["arn"].endswith(":function:f")
    assert body["environment"]["AWS_EXECUTION_ENV"] == f"AWS_Lambda_nodejs{version()}.x"
    assert body["environment"]["NODE_PATH"].split(":")[1] == "/opt/nodejs/node_modules"
    started = emulator.telemetry("platform.initStart")[0]["record"]
    assert started["runtimeVersion"] == f"nodejs:{version()}.v0"
    lines = [record["record"] for record in emulator.telemetry("function")]
    assert [line.split("\t")[-1] for line in lines] == ["loading", "hello"]
    report = emulator.telemetry("platform.report")[0]["record"]
    assert (report["status"], report["metrics"]["initDurationMs"] > 0) == ("success", True)


def test_an_exception_is_the_functions_error(start_node, layer):
    emulator = start_node("--layer", layer)

    _, headers, body = emulator.invoke("f", {"raise": "not so"})
    emulator.stop()

    assert headers["x-amz-function-error"] == "Unhandled"
    assert (body["errorType"], body["errorMessage"]) == ("TypeError", "not so")
    assert emulator.telemetry("platform.runtimeDone")[0]["record"]["status"] == "error"


def test_an_init_that_fails_is_tried_again_in_the_invocation(start_node, layer):
    emulator = start_node("--layer", layer, environment={"FAIL_IN_INIT": "1"})

    body = emulator.invoke("f", {})[2]

    assert body["errorType"] == "RangeError"
    wait_for(lambda: len(emulator.telemetry("platform.initReport")) == 2, "both reports")
    assert [record["record"]["phase"] for record in emulator.telemetry("platform.initReport")] == ["init", "invoke"]


def test_an_exit_is_told_as_lambda_tells_it(start_node, layer):
    body = start_node("--layer", layer).invoke("f", {"exit": 3})[2]

    assert body["errorType"] == "Runtime.ExitError"
    assert body["errorMessage"].endswith("Error: Runtime exited with error: exit status 3")


@pytest.mark.root
def test_a_wrapper_script_runs_before_node(start_node, tmp_path):
    wrapper = tmp_path / "layer" / "wrapper"
    wrapper.parent.mkdir()
    wrapper.write_text('#!/bin/sh\nexec env WRAPPED=yes "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    emulator = start_node(
        "--layer", wrapper.parent, "--isolation", "namespaces", environment={EXEC_WRAPPER: "/opt/wrapper"}
    )

    body = emulator.invoke("f", {})[2]

    assert body["environment"]["WRAPPED"] == "yes"
    assert "--expose-gc" in body["argv"]


def test_the_name_nodejs_is_the_version_at_hand():
    full, runtime = find_runtime("nodejs")

    assert (full, runtime.execution_environment()) == (f"nodejs{version()}.x", f"AWS_Lambda_nodejs{version()}.x")
