"""Processes of the local stack: readiness, last words, and that nothing outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.local.processes import Process, ProcessError

ROOT = Path(__file__).parents[3]


def program(text):
    return [sys.executable, "-c", text]


def test_ready_is_a_line_and_its_groups(tmp_path):
    text = "import time; print('ready on 42', flush=True); time.sleep(60)"
    with Process("it", program(text), log=tmp_path / "log", ready=r"ready on (?P<port>\d+)") as process:
        assert process.wait_ready()["port"] == "42"


def test_an_early_end_is_told_with_its_last_words(tmp_path):
    with (
        Process("the thing", program("raise SystemExit('no disk')"), log=tmp_path / "log", ready="never") as process,
        pytest.raises(ProcessError, match=r"(?s)the thing ended with 1 before it was ready: no disk"),
    ):
        process.wait_ready()


def test_one_that_ignores_sigterm_is_killed_with_its_children(tmp_path):
    text = (
        "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen(['sleep', '60']); print('child', child.pid, flush=True); time.sleep(60)"
    )
    process = Process("stubborn", program(text), log=tmp_path / "log", ready=r"child (?P<pid>\d+)")
    child = int(process.wait_ready()["pid"])
    assert process.stop(grace_s=0.3) == -signal.SIGKILL
    assert gone(child)


def test_nothing_outlives_a_parent_that_was_killed(tmp_path):
    parent = subprocess.Popen(
        program(
            "import sys, time; from pathlib import Path; from deploy.local.processes import Process;"
            f"p = Process('it', [sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(60)'],"
            f" log=Path({str(tmp_path / 'log')!r}), ready='1');"
            "p.wait_ready(); print(p.pid, flush=True); time.sleep(60)"
        ),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    assert gone(child)


def gone(pid):
    """Whether the process ends within some seconds (a zombie has ended)."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if ") Z " in Path(f"/proc/{pid}/stat").read_text():
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.1)
    return False
