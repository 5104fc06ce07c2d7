"""Processor and memory of a sandbox, limited by control groups. Sources: "Configure Lambda function memory" and
"Lambda quotas" of AWS: processor power in proportion to memory, one whole one at 1,769 MB."""

from pathlib import Path

import pytest

from emulator.errors import IsolationError
from emulator.isolation.cgroups import CPU, MEMORY, ControlGroups, quota_us
from tests.support.emulator import is_root, wait_for

NEEDS_ROOT = pytest.mark.root


@pytest.fixture
def groups():
    assert is_root(), "this test needs root"
    try:
        ControlGroups.open((CPU, MEMORY)).close()
    except IsolationError as error:
        pytest.skip(f"the machine limits nothing: {error}")


@pytest.mark.parametrize(("memory_mb", "quota"), [(128, 1447), (1769, 20_000), (10_240, 115_772)])
def test_the_processor_is_shared_out_by_memory(memory_mb, quota):
    assert quota_us(memory_mb) == quota


@NEEDS_ROOT
def test_a_function_that_takes_too_much_memory_ends_as_in_lambda(start, layer, groups):
    emulator = start("--layer", layer, memory_mb=128)

    body = emulator.invoke("f", {"eat_mb": 300})[2]
    wait_for(lambda: emulator.sandboxes()[0]["phase"] == "reset", "the end of the reset")
    after = emulator.invoke("f", {"eat_mb": 1})[2]

    assert body["errorType"] == "Runtime.OutOfMemory"
    assert body["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    report = emulator.telemetry("platform.report")[0]["record"]
    assert (report["status"], report["errorType"]) == ("failure", "Runtime.OutOfMemory")
    assert report["metrics"]["maxMemoryUsedMB"] == 128
    assert after["count"] == 1  # of a new runtime


@NEEDS_ROOT
def test_without_limits_it_goes_on(start, groups):
    assert start("--resources", "off", memory_mb=128).invoke("f", {"eat_mb": 300})[0] == 200


@NEEDS_ROOT
def test_a_small_function_has_little_of_the_processor(start, groups):
    emulator = start(resources={"cpu": True}, memory_mb=256)

    used = emulator.invoke("f", {"burn_s": 0.1})[2]["burned"]

    assert used["elapsed_s"] > 3 * used["cpu_s"]  # 0.145 of a processor


@NEEDS_ROOT
def test_no_group_is_left(start, groups):
    emulator = start(resources={"cpu": True})
    emulator.invoke("f", {})
    pid = emulator.process.pid
    assert list(Path("/sys/fs/cgroup").rglob(f"lambdascope-emulator-{pid}"))

    emulator.stop()

    assert not list(Path("/sys/fs/cgroup").rglob(f"lambdascope-emulator-{pid}"))
