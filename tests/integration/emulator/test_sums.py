"""The sums of Lambda's own records hold in everything that the emulator generates: all examples, all faults."""

import contextlib
import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import emulator_sums
from tests.support.emulator import REPOSITORY, RunningEmulator, make_layer, running, wait_for

EXAMPLES = sorted((REPOSITORY / "emulator" / "examples").glob("*.yaml"))
FAULTS = [
    {},
    {"late_init": True},
    {"late_invoke": True},
    {"report": "next"},
    {"report": "never"},
    {"batch_invocations": 3},
    {"kill_extension": 0.4},
    {"out_of_memory": 0.4},
    {"time_out": 0.4},
]


def check(emulator: RunningEmulator) -> Counter[str]:
    looked: Counter[str] = Counter()
    for stream in emulator.streams():
        looked += emulator_sums.check(stream)
    return looked


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_sums_hold_in_every_example(path: Path, tmp_path):
    layer = make_layer(tmp_path / "layer", "probe")
    functions = yaml.safe_load(path.read_text(encoding="utf-8"))["functions"]
    scenario = path.with_name(f"{path.stem}-of-a-test-{tmp_path.name}.yaml")
    scenario.write_text(json.dumps(with_probe(path)), encoding="utf-8")
    try:
        with running("--scenario", scenario, "--layer", layer, "--relay", "collector:4318=127.0.0.1:9") as emulator:
            for name in functions:
                ask(emulator, name)
            wait_for(lambda: seen(emulator) >= 4 * len(functions), "invocations")
            emulator.stop()
            looked = check(emulator)
    finally:
        scenario.unlink()

    assert looked["platform.initReport"] >= len(functions)
    assert min(looked["platform.report"], looked["bill"], looked["spans"]) >= 4
    if path.stem == "kinds":
        assert looked["platform.restoreReport"] >= 1


def with_probe(path: Path) -> dict[str, Any]:
    """The example with an extension that Managed Instances accept on those."""
    scenario: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    for function in scenario["functions"].values():
        if "managed_instances" in function:
            function["environment"] = {**function.get("environment", {}), "PROBE": '{"events": ["SHUTDOWN"]}'}
    return scenario


def seen(emulator: RunningEmulator) -> int:
    summary = emulator.summary()
    return int(summary["invocations"] + summary["throttles"])


def ask(emulator: RunningEmulator, name: str) -> None:
    """Four at once."""

    def invoke() -> None:
        with contextlib.suppress(ValueError):  # not every function answers with JSON
            emulator.invoke(name, {})

    threads = [threading.Thread(target=invoke) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: "-".join(map(str, *faults.items())) if faults else "none")
def test_the_sums_hold_under_every_fault(start, layer, faults):
    emulator = start("--layer", layer, faults=faults, timeout_s=0.5, probe={"shutdown_s": 0})
    for number in range(6):
        emulator.invoke("f", [{}, {"sleep": 0.05}, {"raise": "x"}][number % 3])
    emulator.stop()

    looked = check(emulator)
    # What is killed or reset takes the sandbox's last records along: how many are left is chance.
    least = 0 if {"kill_extension", "out_of_memory", "time_out"} & faults.keys() else 3
    assert looked["platform.runtimeDone"] >= least
    assert looked["platform.report"] >= (0 if faults.get("report") == "never" else least)
