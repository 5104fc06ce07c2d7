"""What the Runtime API proxy costs an invocation, and what memory it takes: a runtime with and without it, in turns.

The runtime is the least there can be: a loop that asks for the next event and posts an answer, over one connection. The
API answers at once, outside of the processor share that runtime and proxy have.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks import Measurement
from benchmarks._extension_process import processor_share
from tests.support.depth import running_proxy

ROUNDS: Final = 7
INVOCATIONS: Final = 1000
INVOCATIONS_OF_A_SMALL_FUNCTION: Final = 150
SHARE_OF_128_MB: Final = 128 / 1769
EVENT: Final = b'{"Records":[{"eventSource":"aws:sqs","body":"' + b"x" * 1500 + b'"}]}'

RUNTIME: Final = """
import socket, sys, time
address, count = ("127.0.0.1", int(sys.argv[1])), int(sys.argv[2])
if sys.argv[3]:
    open(sys.argv[3], "w").write("0")
connection = socket.create_connection(address)
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
def ask(request, length):
    connection.sendall(request)
    while length > 0:
        length -= len(connection.recv(65536))
next_length, done_length, query = int(sys.argv[4]), int(sys.argv[5]), sys.argv[6].encode()
begun = time.perf_counter()
for _ in range(count):
    ask(b"GET /2018-06-01/runtime/invocation/next?%b HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n" % query, next_length)
    ask(b"POST /2018-06-01/runtime/invocation/r/response HTTP/1.1\\r\\nContent-Length: 2\\r\\n\\r\\n{}", done_length)
print((time.perf_counter() - begun) * 1000 / count)
"""

HEAD: Final = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\nContent-Length: %d\r\n\r\n"
NEXT: Final = HEAD % len(EVENT) + EVENT
LARGE_NEXT: Final = HEAD % (20 << 20) + b"x" * (20 << 20)
DONE: Final = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


def measure() -> Iterator[Measurement]:
    """Yields the figures whose names begin with ``proxy.``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        yield from _compare("proxy.added_ms", listener.getsockname(), INVOCATIONS, None)
        try:
            with processor_share(SHARE_OF_128_MB) as group:
                count = INVOCATIONS_OF_A_SMALL_FUNCTION
                yield from _compare("proxy.added_ms_128mb", listener.getsockname(), count, group)
        except OSError as error:
            print(f"bench: proxy.added_ms_128mb is left out, for lack of a cgroup to limit: {error}", file=sys.stderr)


def _compare(name: str, api: tuple[str, int], count: int, group: Path | None) -> Iterator[Measurement]:
    """Medians of rounds that take turns; and the proxy's memory after them."""
    direct, through = [], []
    tasks = "" if group is None else str(group / "cgroup.procs")
    with running_proxy(api) as proxy:
        threading.Thread(target=_drain, args=(proxy.events,), daemon=True).start()
        if group is not None:
            Path(tasks).write_text(str(proxy.process.pid))
        for _ in range(ROUNDS):
            direct.append(_run(api[1], count, tasks))
            through.append(_run(proxy.address[1], count, tasks))
        usual_mib = _resident_mib(proxy.process.pid)
        if group is None:
            _run(proxy.address[1], 1, tasks, large=True)
        most_mib = _resident_mib(proxy.process.pid)
    plain = statistics.median(direct)
    yield Measurement(name, round(statistics.median(through) - plain, 3), "ms", {"without_proxy": round(plain, 3)})
    if group is None:
        against = {"before_an_event_of_20_mb": round(usual_mib, 3)}
        yield Measurement("proxy.rss_mib", round(most_mib, 3), "MiB", against)


def _run(port: int, count: int, tasks: str, *, large: bool = False) -> float:
    path = "/large" if large else ""
    arguments = [str(port), str(count), tasks, str(len(LARGE_NEXT if large else NEXT)), str(len(DONE)), path]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", RUNTIME, *arguments], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def _resident_mib(pid: int) -> float:
    """The most that it ever was."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _drain(events: socket.socket) -> None:
    while events.fileno() >= 0:
        try:
            events.recv(1 << 16)
        except OSError:
            return


def _serve(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while request := connection.recv(65536):
            next_one = LARGE_NEXT if b"?/large" in request else NEXT
            connection.sendall(next_one if request.startswith(b"GET") else DONE)
