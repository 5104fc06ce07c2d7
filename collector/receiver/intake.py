"""What every request goes through, whatever protocol it came by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

from collector.errors import RequestError, TooLargeError, UnavailableError
from collector.otlp import decode, json_format
from collector.otlp.signals import PROTOCOLS, Signal
from collector.spool.record import Record
from collector.spool.repeats import RepeatKey, repeat_key
from collector.spool.spool import settling

if TYPE_CHECKING:
    from collector.otlp.signals import ExportRequest
    from collector.receiver.access import Credential
    from collector.spool.record import ExportId
    from collector.spool.repeats import Repeats
    from collector.telemetry import Counters

Key = tuple[Signal, str, int]

BUSY_RETRY_S: Final = 1.0
"""What clients are told to wait when too much is being worked on, or the collector stops."""


Done = Callable[[UnavailableError | None], None]
"""Called once, in the event loop: with None when a request may be acknowledged, else with why it may not."""


class Sink(Protocol):
    """Where accepted requests go: the spool."""

    def submit(self, record: Record, done: Done) -> None:
        """Call ``done`` once the record is durable or cannot be; or raise UnavailableError."""


class Changes(Protocol):
    """What is left out of requests or covered before they are kept."""

    def apply(self, signal: Signal, request: ExportRequest) -> bool:
        """Change the request in place; returns whether anything was changed."""


class ItemCounter(Protocol):
    """What tells from the bytes of a request how many items it holds."""

    def items(self, body: bytes) -> int | None:
        """How many; None where it has to be parsed to be known, also because it is no request."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request, decompressed.

    Attributes:
        body: protobuf, or JSON where ``is_json``.
        export_id: where the client gave one, a repeat is recognised by it.
        credential: what the client showed.
    """

    signal: Signal
    body: bytes
    export_id: ExportId | None
    credential: Credential
    is_json: bool = False


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
        changes: Changes | None = None,
        item_counters: Mapping[Signal, ItemCounter] | None = None,
    ) -> None:
        """``item_counters`` tell of a signal's requests, which then need not be parsed to be accepted."""
        self.settings = settings
        self._sink = sink
        self._repeats = repeats
        self._counters = counters
        self._now_unix_nano = now_unix_nano
        self._changes = changes
        self._item_counters = item_counters or {}
        self._in_progress: dict[Key, list[tuple[Done, int]]] = {}
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
        self.hold(size_bytes)
        return Admission(self, size_bytes)

    def hold(self, size_bytes: int) -> None:
        """For :class:`Admission`: count (or, negative, give back) bytes."""
        self._in_flight_bytes += size_bytes

    def take(self, incoming: Incoming, done: Done) -> None:
        """Call ``done`` once the request may be acknowledged.

        Raises:
            RequestError: it must not be; the type says what to answer, and ``done`` is not called.
        """
        signal, body = incoming.signal, incoming.body
        if not body and not incoming.is_json:
            done(None)  # the encoding of an empty request, which is a success
            return
        body, items = self._read(incoming)
        if not items and (incoming.export_id is None or incoming.export_id.total is None):
            done(None)
            return  # else: a sandbox without items to send has lost some, and says so
        now_unix_nano = self._now_unix_nano()
        incoming.credential.spend(len(body), items, now_unix_nano / 1e9)
        record = Record(signal, items, now_unix_nano, incoming.export_id, body, incoming.credential.tenant)
        self.keep_once(record, done)

    def _read(self, incoming: Incoming) -> tuple[bytes, int]:
        """The request as it is kept, and how many items it holds."""
        signal, body = incoming.signal, incoming.body
        if not incoming.is_json and self._changes is None and (counter := self._item_counters.get(signal)):
            items = counter.items(body)
            if items is not None:
                return body, items
        request: ExportRequest
        request = json_format.parse(PROTOCOLS[signal], body) if incoming.is_json else decode.parse(signal, body)
        changed = self._changes is not None and self._changes.apply(signal, request)
        if changed or incoming.is_json:
            body = request.SerializeToString(deterministic=True)
        return body, PROTOCOLS[signal].count(request)

    async def accept(self, incoming: Incoming) -> None:
        """Return once the request may be acknowledged. As :meth:`take`."""
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.take(incoming, settling(kept))
        await kept

    async def store_once(self, record: Record) -> None:
        """Return once the record is durable, whether by this call or, with the same id, by an earlier one.

        Raises:
            UnavailableError: it is not.
        """
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.keep_once(record, settling(kept))
        await kept

    def keep_once(self, record: Record, done: Done) -> None:
        """Call ``done`` once the record is durable, whether by this call or, with the same id, by an earlier one.

        Raises:
            UnavailableError: the spool has no room.
        """
        if record.export_id is None:
            self._sink.submit(record, done)
            return
        key = repeat_key(record)
        sequence = record.export_id.sequence
        if (waiting := self._in_progress.get((*key, sequence))) is not None:
            waiting.append((done, record.items))
        elif self._repeats.holds(key, sequence):
            self._counters.repeated[record.signal] += record.items
            done(None)
        else:
            self._sink.submit(record, lambda failure: self._kept(key, sequence, failure, done))
            self._in_progress[*key, sequence] = []

    def _kept(self, key: RepeatKey, sequence: int, failure: UnavailableError | None, done: Done) -> None:
        """The first of equal exports is durable or is not; those that came meanwhile share its answer."""
        waiting = self._in_progress.pop((*key, sequence))
        if failure is None:
            self._repeats.add(key, sequence)
        done(failure)
        for waits, items in waiting:
            if failure is None:
                self._counters.repeated[key[0]] += items
            waits(failure)

    def refused(self, error: RequestError) -> None:
        """Count a request that gets an error."""
        self._counters.refuse(type(error).__name__.removesuffix("Error").lower())


class Admission:
    """Bytes of a request that are held until :meth:`release`, which leaving a ``with`` block does."""

    def __init__(self, intake: Intake, size_bytes: int) -> None:
        self._intake = intake
        self._size_bytes = size_bytes

    def grow(self, size_bytes: int) -> None:
        """Hold more: what decompression gave, or another piece of a body of unknown length."""
        self._size_bytes += size_bytes
        self._intake.hold(size_bytes)

    def extend(self, size_bytes: int) -> None:
        """Hold more, if there is room.

        Raises:
            UnavailableError: too much is held already.
        """
        if self._intake.in_flight_bytes + size_bytes > self._intake.settings.max_in_flight_bytes:
            raise UnavailableError("too many requests at once", retry_after_s=BUSY_RETRY_S)
        self.grow(size_bytes)

    def release(self) -> None:
        """Hold nothing any more. May be called again."""
        self._intake.hold(-self._size_bytes)
        self._size_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
