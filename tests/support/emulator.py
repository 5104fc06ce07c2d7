"""Runs the emulator as a process of its own, and an extension that writes down all it is told.

The extension (emulator_extension.py) prints what it sees and is told as JSON lines, which come back through the
emulator's ``--logs``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0

EXTENSION = Path(__file__).with_name("emulator_extension.py")


def make_layer(folder: Path, *names: str) -> Path:
    """A layer with the extension under each of the names."""
    (folder / "extensions").mkdir(parents=True)
    for name in names:
        path = folder / "extensions" / name
        path.write_text(f"#!{sys.executable} -IS\n{EXTENSION.read_text(encoding='utf-8')}", encoding="utf-8")
        path.chmod(0o755)
    return folder


def wait_for(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Poll until the condition is true, and return what it gave. Fails naming what was waited for."""
    give_up = time.monotonic() + patience_s
    while not (value := condition()):
        assert time.monotonic() < give_up, f"waited {patience_s} s for {what}"
        time.sleep(0.01)
    return value


class RunningEmulator:
    """One emulator process. Use :func:`running`."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "emulator", "--port", "0", "--logs", *arguments],
            cwd=REPOSITORY,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.url: str = wait_for(self._find_url, "the emulator's ready line")

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def _find_url(self) -> str | None:
        assert self.process.poll() is None, f"the emulator ended: {self.lines}"
        found = (re.fullmatch(r"emulator: ready on (http://\S+)", line) for line in self.lines)
        return next((match[1] for match in found if match), None)

    # Requests ---------------------------------------------------------------------------------------------------------

    def invoke(self, function: str, payload: Any = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        """Invoke over HTTP. Returns status, headers (names in lower case) and the answer's JSON."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path = f"/2015-03-31/functions/{function}/invocations"
        return self.request("POST", path, json.dumps(payload or {}).encode(), named)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        """Any request to the emulator's port."""
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                status, received, text = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, received, text = error.code, error.headers, error.read()
        return status, {name.lower(): value for name, value in received.items()}, json.loads(text) if text else None

    def summary(self) -> dict[str, Any]:
        """What the emulator counted."""
        counted: dict[str, Any] = self.request("GET", "/_lambdascope/summary")[2]
        return counted

    def wait_idle(self) -> None:
        """Wait until every sandbox is frozen: an answer comes before the end of its invocation."""
        wait_for(lambda: all(sandbox["phase"] == "ready" for sandbox in self.sandboxes()), "idle sandboxes")

    def sandboxes(self) -> list[dict[str, Any]]:
        """The sandboxes there are."""
        found: list[dict[str, Any]] = self.request("GET", "/_lambdascope/state")[2]["sandboxes"]
        return found

    # What the extension said ------------------------------------------------------------------------------------------

    def said(self, kind: str, extension: str = "probe") -> list[Any]:
        """The values of one kind that the extension has printed so far."""
        return [item["value"] for item in self._told(extension) if item["kind"] == kind]

    def _told(self, extension: str) -> list[dict[str, Any]]:
        mark = re.compile(rf"\[[^/\]]+/{extension}\] (\{{\"kind\": .*)")
        return [json.loads(match[1]) for match in map(mark.fullmatch, list(self.lines)) if match]

    def streams(self, extension: str = "probe") -> list[list[dict[str, Any]]]:
        """The records delivered to each process of the extension, in the order of their delivery."""
        streams: dict[str, list[dict[str, Any]]] = {}
        for item in self._told(extension):
            if item["kind"] == "telemetry":
                streams.setdefault(item["of"], []).extend(item["value"])
        return list(streams.values())

    def telemetry(self, record_type: str | None = None) -> list[dict[str, Any]]:
        """The records delivered so far, in the order of their delivery."""
        flat = [record for batch in self.said("telemetry") for record in batch]
        return [record for record in flat if record_type in (None, record["type"])]

    # The end ----------------------------------------------------------------------------------------------------------

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and wait. Returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        if self.process.stderr is not None:
            self.process.stderr.close()
        return code


@contextlib.contextmanager
def running(*arguments: str | Path) -> Iterator[RunningEmulator]:
    """An emulator for the time of a block."""
    emulator = RunningEmulator([str(argument) for argument in arguments])
    try:
        yield emulator
    finally:
        emulator.stop()


def descendants(pid: int) -> set[int]:
    """The processes below one."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        with contextlib.suppress(OSError):
            below = set(map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()))
            found |= below
            waiting.extend(below)
    return found


def is_root() -> bool:
    """Whether sandboxes can be expected to have namespaces."""
    return os.geteuid() == 0
