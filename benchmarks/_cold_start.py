"""A cold start as Lambda has it: an extension and a function share a processor, and somebody waits for the answer.

The function is a process that needs 20 ms of processor time for its init and 20 ms for its first answer.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks._extension_process import PERIOD_US, REGISTERED, SUBSCRIBED, request_of, run, run_in

FUNCTION_MS: Final = 20.0
"""Processor time of the function's init, and of its answer."""

_START: Final = b'[{"time":"2026-01-01T00:00:00.000Z","type":"platform.start","record":{"requestId":"r"}}]'


@dataclass(frozen=True, slots=True)
class ColdStart:
    """How long the two parts took that somebody waits for.

    Attributes:
        init_ms: from the extension's start until function and extension are ready.
        answer_ms: from then until the function has answered its first invocation.
    """

    init_ms: float
    answer_ms: float


def cold_start(program: Path | None, environment: Mapping[str, str], group: Path | None) -> ColdStart:
    """One cold start with the extension `program`, or none, with the share of a processor that `group` gives."""
    with contextlib.ExitStack() as stack:
        function = stack.enter_context(_function(group))
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        if program is None:
            time.sleep(3 * PERIOD_US / 1e6)
            started = time.perf_counter()
            connection, port = None, 0
            function.tell()
        else:
            api = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{listener.getsockname()[1]}", **environment}
            pid, started = run_in(group, program, api) if group else run(program, api)
            stack.callback(_stop, pid)
            connection, _ = listener.accept()
            stack.enter_context(connection)
            request_of(connection)
            connection.sendall(REGISTERED)
            function.tell()  # the platform starts the runtime when every extension has registered
            subscription = request_of(connection)
            connection.sendall(SUBSCRIBED)
            request_of(connection)
            port = int(subscription.rpartition(b"localdomain:")[2].rstrip(b'"}'))
        function.wait()
        ready = time.perf_counter()
        function.tell()
        if connection is not None:
            _tell_of_invocation(connection)
        if port:  # the least extension takes no telemetry
            _deliver(stack.enter_context(socket.create_connection(("127.0.0.1", port))))
        function.wait()
        return ColdStart((ready - started) * 1e3, (time.perf_counter() - ready) * 1e3)


def _tell_of_invocation(connection: socket.socket) -> None:
    body = f'{{"eventType":"INVOKE","deadlineMs":{round(time.time() * 1e3) + 60_000},"requestId":"r"}}'.encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def _deliver(telemetry: socket.socket) -> None:
    telemetry.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(_START), _START))


@dataclass(frozen=True, slots=True)
class _Function:
    tell: Callable[[], object]
    wait: Callable[[], object]


@contextlib.contextmanager
def _function(group: Path | None) -> Iterator[_Function]:
    """A process that works for 20 ms each time that it is told to, and says when it is done."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            if group:
                (group / "cgroup.procs").write_text("0")
            while theirs.recv(1):
                until = time.process_time() + FUNCTION_MS / 1e3
                while time.process_time() < until:
                    pass
                theirs.sendall(b"x")
        finally:
            os._exit(0)
    theirs.close()
    with ours:
        try:
            yield _Function(lambda: ours.sendall(b"x"), lambda: ours.recv(1))
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _stop(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
