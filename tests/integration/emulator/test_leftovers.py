"""Nothing is left behind: after a quiet end, a hurried one, and a crash of the emulator itself."""

import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.emulator import PATIENCE_S, RunningEmulator, descendants, wait_for


def mounts() -> list[str]:
    """Those of emulators: others mount and unmount meanwhile."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if "lambdascope-emulator-" in line]


def folders() -> set[str]:
    return {entry.name for entry in Path(tempfile.gettempdir()).iterdir() if entry.name.startswith("lambdascope-emul")}


def own_folders(pid: int) -> set[str]:
    return {name for name in folders() if name.startswith(f"lambdascope-emulator-{pid}-")}


def invoke_many(emulator: RunningEmulator, event: dict[str, Any], count: int) -> list[threading.Thread]:
    threads = [threading.Thread(target=lambda: emulator.invoke("f", event)) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("isolation", ["auto", "none"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_quiet_end(start, layer, isolation, number):
    before = mounts()
    emulator = start("--layer", layer, "--isolation", isolation)
    for thread in invoke_many(emulator, {"sleep": 0.3, "spawn": 600}, 3):
        thread.join()
    processes = descendants(emulator.process.pid)
    assert len(processes) >= 10  # the zygote, three holders, extensions, runtimes and what they started

    assert emulator.stop(number) == 0

    assert [pid for pid in processes if is_alive(pid)] == []
    assert mounts() == before
    assert own_folders(emulator.process.pid) == set()
    assert [event["eventType"] for event in emulator.said("event")].count("SHUTDOWN") == 3
    assert len(emulator.said("leaving")) == 3


def test_a_second_signal_ends_at_once(start, layer):
    emulator = start("--layer", layer, probe={"shutdown_s": 60}, timeout_s=60)
    caller = threading.Thread(target=invoke_in_vain, args=(emulator,))
    caller.start()
    wait_for(lambda: emulator.said("event"), "the invocation")
    processes = descendants(emulator.process.pid)

    emulator.process.send_signal(signal.SIGTERM)
    emulator.process.send_signal(signal.SIGINT)  # another one, since the kernel may merge two of the same
    emulator.process.wait(PATIENCE_S)

    assert [pid for pid in processes if is_alive(pid)] == []
    caller.join()


def invoke_in_vain(emulator: RunningEmulator) -> None:
    with pytest.raises(OSError):
        emulator.invoke("f", {"sleep": 50})


@pytest.mark.parametrize("isolation", ["auto", "none"])
def test_a_crash_leaves_no_process_and_the_next_run_removes_the_folder(start, layer, isolation):
    before = mounts()
    emulator = start("--layer", layer, "--isolation", isolation)
    emulator.invoke("f", {"spawn": 600})
    processes = descendants(emulator.process.pid)

    emulator.stop(signal.SIGKILL)

    wait_for(lambda: not [pid for pid in processes if is_alive(pid)], "the end of every process")
    assert mounts() == before
    assert own_folders(emulator.process.pid)
    start().stop()
    assert own_folders(emulator.process.pid) == set()
    assert list(Path("/sys/fs/cgroup").rglob(f"lambdascope-emulator-{emulator.process.pid}")) == []


def test_sandboxes_that_come_and_go_leave_nothing_in_the_emulator(start, layer):
    emulator = start("--layer", layer, probe={"shutdown_s": 0}, limits={"idle_timeout_s": 0.05})

    def cycle() -> None:
        emulator.invoke("f", {})
        wait_for(lambda: not emulator.sandboxes(), "the reaping of the idle sandbox")

    def belongings() -> tuple[int, ...]:
        pid = emulator.process.pid
        return (
            len(list(Path(f"/proc/{pid}/fd").iterdir())),
            len(list(Path(f"/proc/{pid}/task").iterdir())),
            len(descendants(pid)),
            len(list(Path(tempfile.gettempdir(), *own_folders(pid), "sandboxes").iterdir())),
        )

    for _ in range(2):
        cycle()
    before = belongings()
    for _ in range(5):
        cycle()

    wait_for(lambda: belongings() <= before, f"{before}, not {belongings()}")
    assert emulator.said("event")[1]["shutdownReason"] == "spindown"


def test_refusals_before_the_start_leave_nothing():
    before = folders()
    ended = subprocess.run(
        [sys.executable, "-m", "emulator", "--scenario", "nowhere.yaml"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode == 2
    assert folders() <= before
