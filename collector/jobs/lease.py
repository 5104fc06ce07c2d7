"""Which of several collectors does the jobs: the one that has been there longest, by ClickHouse's own clock.

ClickHouse has no compare-and-set, so for a moment two may hold it (one that starts, one whose heartbeats were delayed).
Every job does the same again without harm.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

HELD_S: Final = 60
"""A holder that has not been heard of for so long is taken to be gone."""


class Lease:
    """One collector's claim. Blocking, and used from one thread."""

    def __init__(self, client: Client, name: str = "jobs") -> None:
        self._client = client
        self._name = name
        self.holder = secrets.token_hex(8)
        self._since_ms = 0

    def held(self) -> bool:
        """Say that this collector is there; whether the jobs are its own for now."""
        now_ms = int(self._client.query("SELECT toUnixTimestamp64Milli(now64(3))").result_rows[0][0])
        self._since_ms = self._since_ms or now_ms
        self._tell(self._name, now_ms)
        first = self._client.query(
            "SELECT argMin(Holder, (Since, Holder)) FROM lambda_leases "
            "WHERE Name = {name:String} AND SeenAt > fromUnixTimestamp64Milli({alive_ms:Int64}) "
            "AND Holder NOT IN (SELECT Holder FROM lambda_leases WHERE Name = {left:String})",
            parameters={"name": self._name, "alive_ms": now_ms - HELD_S * 1000, "left": self._left},
        ).result_rows[0][0]
        return bool(first == self.holder)

    def release(self) -> None:
        """Leave the jobs to another at once. A later :meth:`held` queues up anew, as another holder."""
        if self._since_ms:
            now_ms = int(self._client.query("SELECT toUnixTimestamp64Milli(now64(3))").result_rows[0][0])
            self._tell(self._left, now_ms)  # a row, not a mutation: both go with the table's TTL
            self.holder, self._since_ms = secrets.token_hex(8), 0

    @property
    def _left(self) -> str:
        """The name under which holders stand that have left."""
        return f"{self._name}, left"

    def _tell(self, name: str, now_ms: int) -> None:
        self._client.command(
            "INSERT INTO lambda_leases (Name, Holder, Since, SeenAt) SELECT {name:String}, {holder:String}, "
            "fromUnixTimestamp64Milli({since_ms:Int64}), fromUnixTimestamp64Milli({now_ms:Int64})",
            parameters={"name": name, "holder": self.holder, "since_ms": self._since_ms, "now_ms": now_ms},
            settings={"async_insert": 0},
        )
