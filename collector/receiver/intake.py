"""What every request goes through, whatever protocol it came by."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

from collector.errors import RequestError, TooLargeError, UnavailableError
from collector.otlp import decode, json_format
from collector.otlp.signals import PROTOCOLS
from collector.spool.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.otlp.signals import ExportRequest, Signal
    from collector.spool.record import ExportId
    from collector.spool.repeats import Repeats
    from collector.telemetry import Counters

BUSY_RETRY_S: Final = 1.0
"""What clients are told to wait when too much is being worked on, or the collector stops."""


class Sink(Protocol):
    """Where accepted requests go: the spool."""

    async def append(self, record: Record) -> None:
        """Return once the record is durable, or raise UnavailableError."""


@dataclass(frozen=True, slots=True)
class IntakeSettings:
    """Limits in bytes: of one request as it arrives, after decompression, and of all that are held at once."""

    max_request_bytes: int
    max_decompressed_bytes: int
    max_in_flight_bytes: int


class Intake:
    """Admission, validation, recognition of repeats, and the spool."""

    def __init__(
        self,
        settings: IntakeSettings,
        sink: Sink,
        repeats: Repeats,
        counters: Counters,
        now_unix_nano: Callable[[], int],
    ) -> None:
        self.settings = settings
        self._sink = sink
        self._repeats = repeats
        self._counters = counters
        self._now_unix_nano = now_unix_nano
        self._in_progress: dict[tuple[Signal, ExportId], asyncio.Future[None]] = {}
        self._in_flight_bytes = 0
        self._stopping = False

    @property
    def in_flight_bytes(self) -> int:
        """Size of the requests that are being worked on."""
        return self._in_flight_bytes

    def stop(self) -> None:
        """Refuse what comes from now on."""
        self._stopping = True

    def admit(self, size_bytes: int, max_bytes: int | None = None) -> Admission:
        """A place for a request of this size, before anything is done with its bytes.

        Args:
            size_bytes: what it was said to have.
            max_bytes: where a protocol has a limit of its own.

        Raises:
            UnavailableError: too much is held already, or the collector stops.
            TooLargeError: it would never fit.
        """
        max_bytes = max_bytes or self.settings.max_request_bytes
        if size_bytes > max_bytes:
            raise TooLargeError(f"the request is larger than {max_bytes} bytes")
        if self._stopping:
            raise UnavailableError("the collector is stopping", retry_after_s=BUSY_RETRY_S)
        if self._in_flight_bytes + size_bytes > self.settings.max_in_flight_bytes:
            raise UnavailableError("too many requests at once", retry_after_s=BUSY_RETRY_S)
        return Admission(self, size_bytes)

    def hold(self, size_bytes: int) -> None:
        """For :class:`Admission`: count (or, negative, give back) bytes."""
        self._in_flight_bytes += size_bytes

    async def accept(self, signal: Signal, body: bytes, export_id: ExportId | None, *, is_json: bool = False) -> None:
        """Return once the request may be acknowledged.

        Args:
            signal: what the request holds.
            body: decompressed.
            export_id: where the client gave one, a repeat is recognised by it.
            is_json: OTLP/JSON instead of protobuf.

        Raises:
            RequestError: it must not be acknowledged; the type says what to answer.
        """
        if not body and not is_json:
            return  # the encoding of an empty request, which is a success
        request: ExportRequest
        if is_json:
            request = json_format.parse(PROTOCOLS[signal], body)
            body = request.SerializeToString(deterministic=True)
        else:
            request = decode.parse(signal, body)
        items = PROTOCOLS[signal].count(request)
        if items:
            await self.store_once(Record(signal, items, self._now_unix_nano(), export_id, body))

    async def store_once(self, record: Record) -> None:
        """Return once the record is durable, whether by this call or, with the same id, by an earlier one.

        Raises:
            UnavailableError: it is not.
        """
        if record.export_id is None:
            await self._store(record)
            return
        key = (record.signal, record.export_id)
        while (earlier := self._in_progress.get(key)) is not None:
            await asyncio.wait([earlier])
        if key in self._repeats:
            self._counters.repeated[record.signal] += record.items
            return
        task = asyncio.ensure_future(self._store(record))
        self._in_progress[key] = task
        task.add_done_callback(lambda _: self._in_progress.pop(key))
        await asyncio.shield(task)

    async def _store(self, record: Record) -> None:
        await self._sink.append(record)
        if record.export_id is not None:
            self._repeats.add(record.signal, record.export_id)

    def refused(self, error: RequestError) -> None:
        """Count a request that gets an error."""
        self._counters.refuse(type(error).__name__.removesuffix("Error").lower())


class Admission:
    """Bytes of a request that are held until the ``with`` block is left."""

    def __init__(self, intake: Intake, size_bytes: int) -> None:
        self._intake = intake
        self._size_bytes = size_bytes

    def grow(self, size_bytes: int) -> None:
        """Hold more: what decompression gave, or another piece of a body of unknown length."""
        self._size_bytes += size_bytes
        self._intake.hold(size_bytes)

    def __enter__(self) -> Self:
        self._intake.hold(self._size_bytes)
        return self

    def __exit__(self, *_: object) -> None:
        self._intake.hold(-self._size_bytes)
