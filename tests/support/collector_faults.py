"""What can fail around a collector.

A world is a collector, its data folder on a small disk, and its store: a ClickHouse server behind a faulty proxy, or
the embedded one, on the same disk. Each of its ``faults`` begins, waits with the ``pause`` that it is given, and ends.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Self

import clickhouse_connect

from tests.support.clickhouse_server import ClickHouseServer, free_port
from tests.support.collector import CollectorProcess
from tests.support.faulty_proxy import FaultyProxy
from tests.support.small_disk import SmallDisk

Pause = Callable[[], None]


class World:
    """A collector, and what befalls it whatever its store is."""

    faults: ClassVar[tuple[str, ...]] = (
        "kill_the_collector",
        "stop_the_collector",
        "fill_the_disk",
        "fill_the_disk_and_kill",
        "make_the_disk_read_only",
    )
    disk_bytes: ClassVar[int]

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._disk = SmallDisk(folder, self.disk_bytes)
        self.collector = CollectorProcess(self._disk.path / "data", (), cwd=folder)

    def __enter__(self) -> Self:
        self._disk.__enter__()
        self._start_store()
        flags = ["--linger-ms", "20", "--spool-min-free-bytes", "1", "--jobs-every-s", "2", *self._flags()]
        flags += ["--http-port", str(free_port())]
        self.collector = CollectorProcess(self._disk.path / "data", flags, cwd=self._folder)
        self.collector.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.collector.running:
            self.collector.kill()
        self._stop_store()
        self._disk.__exit__()

    def _start_store(self) -> None:
        return

    def _stop_store(self) -> None:
        return

    def _flags(self) -> Sequence[str]:
        return ()

    @property
    def sql_port(self) -> int:
        """Where its store answers queries."""
        return int(self.collector.addresses.sql.rpartition(":")[2])

    def rows(self, query: str) -> list[tuple[str, ...]]:
        """What a query answers, as text."""
        client = clickhouse_connect.get_client(host="127.0.0.1", port=self.sql_port, autogenerate_session_id=False)
        try:
            return [tuple(str(value) for value in row) for row in client.query(query).result_rows]
        finally:
            client.close()

    def queued(self) -> int:
        """Items in the spool."""
        connection = http.client.HTTPConnection(self.collector.addresses.http, timeout=10)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        counts = [line for line in lines if line.startswith("lambdascope_collector_queued_items{")]
        return int(sum(float(line.rpartition(" ")[2]) for line in counts))

    def kill_the_collector(self, pause: Pause) -> None:
        """With the embedded store, its process as well."""
        self.collector.kill()
        pause()
        self.collector.start()

    def stop_the_collector(self, pause: Pause) -> None:
        """With SIGTERM."""
        assert self.collector.stop() == 0, self.collector.stderr[-2000:]
        pause()
        self.collector.start()

    def fill_the_disk(self, pause: Pause) -> None:
        """And make room again."""
        self._disk.fill()
        pause()
        self._disk.empty()

    def fill_the_disk_and_kill(self, pause: Pause) -> None:
        """Whatever was half written stays so."""
        self._disk.fill()
        pause()
        self.collector.kill()
        self._disk.empty()
        self.collector.start()

    def make_the_disk_read_only(self, pause: Pause) -> None:
        """A start on it fails in one line; later it works."""
        self.collector.kill()
        self._disk.read_only(on=True)
        self.collector.launch()
        assert self.collector.wait() == 2, self.collector.stderr[-2000:]
        pause()
        self._disk.read_only(on=False)
        self.collector.start()

    def cut_off_the_disk(self, pause: Pause) -> None:
        """A loss of power: all halts at one moment, and only what was synced is there afterwards."""
        self.collector.freeze()
        self._disk.cut_off()
        self.collector.kill()
        pause()
        self._disk.unmount()
        self._disk.mount()
        self.collector.start()


class EmbeddedWorld(World):
    """Spool and store share the disk."""

    disk_bytes = 1 << 30


class ServerWorld(World):
    """The store is a server, which has a disk of its own."""

    faults = (
        *World.faults,
        "cut_off_the_disk",
        "kill_the_store",
        "refuse",
        "hang",
        "store_and_lose_the_answer",
        "kill_between_insert_and_removal",
    )
    disk_bytes = 64 << 20

    def _start_store(self) -> None:
        self._server = ClickHouseServer(self._folder / "clickhouse", free_port())
        self._server.start()
        self._proxy = FaultyProxy(self._server.port)

    def _stop_store(self) -> None:
        self._proxy.close()
        self._server.kill()

    def _flags(self) -> Sequence[str]:
        return "--store", f"http://127.0.0.1:{self._proxy.port}/default", "--store-timeout-s", "1"

    @property
    def sql_port(self) -> int:
        """Not by way of the proxy."""
        return self._server.port

    def kill_the_store(self, pause: Pause) -> None:
        """Its process."""
        self._server.kill()
        pause()
        self._server.start()

    def refuse(self, pause: Pause) -> None:
        """No connection is taken."""
        self._behave("refuse", pause)

    def hang(self, pause: Pause) -> None:
        """No request is answered, nor done."""
        self._behave("hang", pause)

    def store_and_lose_the_answer(self, pause: Pause) -> None:
        """What is asked is done, after the time that the collector waits."""
        self._behave("lose", pause)

    def _behave(self, mode: str, pause: Pause) -> None:
        self._proxy.set(mode)
        pause()
        self._proxy.set("pass")

    def kill_between_insert_and_removal(self, pause: Pause) -> None:
        """The server has stored a batch whose segment is still there."""
        self._proxy.set("lose")
        pause()
        self.collector.kill()
        self._proxy.set("pass")
        self.collector.start()
