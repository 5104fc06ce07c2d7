"""What looks on in the proxy, fuzzed with undefined behaviour trapped and nothing behind what it may read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from deploy.layer.launcher import EXTENSION, SOURCES, TARGETS, WARNINGS, host_architecture, zig_cc

DRIVER = Path(__file__).with_name("exchange.c")
SEED = 20261121
ROUNDS = 5_000_000 if os.environ.get("LAMBDASCOPE_SOAK") == "1" else 100_000


def test_mutated_conversations_break_nothing(tmp_path):
    pure = [str(EXTENSION / "runtime_proxy" / f"{name}.c") for name in ("capture", "exchange", "message", "outline")]
    shared = [str(SOURCES / f"{name}.c") for name in ("freestanding", "text")]
    trapped = ["-O1", "-fsanitize=undefined", "-fsanitize-trap=undefined", "-fno-stack-protector"]
    bare = ["-ffreestanding", "-nostdlib", "-static", "-target", TARGETS[host_architecture()]]
    folders = ["-I", str(SOURCES), "-I", str(EXTENSION / "runtime_proxy")]
    target = tmp_path / "exchange"
    zig_cc([*WARNINGS, *trapped, *bare, *folders, "-o", str(target), str(DRIVER), *pure, *shared],
           cwd=tmp_path, cache=tmp_path)  # fmt: skip
    done = subprocess.run([target, str(SEED), str(ROUNDS)], check=False, timeout=170)
    assert done.returncode == 0
