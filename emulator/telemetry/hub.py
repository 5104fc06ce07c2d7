"""The Telemetry API of one sandbox: who subscribes, and who gets which record in which form."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from emulator.clock import rfc3339
from emulator.errors import SandboxApiError
from emulator.faults import FaultsConfig
from emulator.telemetry import records
from emulator.telemetry.ordering import Ordering
from emulator.telemetry.subscription import Subscription

BACKLOG_RECORDS: Final = 10_000
"""What was recorded before a subscription is delivered to it too: an init can only be seen by looking back."""
_WITH_INSTANCE: Final = frozenset({records.INIT_START, records.RESTORE_START})
_INSTANCE_KEYS: Final = ("instanceId", "instanceMaxMemory")
_NAME_KEYS: Final = ("functionName", "functionVersion")


class Sink(Protocol):
    """Where a subscription's records go."""

    def add(self, record: bytes) -> None:
        """Queue one encoded record."""


@dataclass(frozen=True, slots=True)
class _Event:
    time: str
    kind: str
    record: dict[str, Any] | str


class Hub:
    """Distributes records to subscriptions."""

    def __init__(self, faults: FaultsConfig) -> None:
        self._ordering: Ordering[_Event] = Ordering(faults)
        self._backlog: deque[_Event] | None = deque(maxlen=BACKLOG_RECORDS)
        self._subscriptions: dict[str, tuple[Subscription, Sink]] = {}
        self._held: list[_Event] | None = None
        """What is held back, while it is."""
        self._shift_ns = 0
        self._of_logs: set[str] = set()
        """Who uses the Logs API."""
        self._known: set[str] = set()
        """Every extension that has ever subscribed here, before a reset too."""

    def subscribe(self, extension: str, subscription: Subscription, now_ns: int, open_sink: Callable[[], Sink]) -> None:
        """Add a subscription, with what was recorded before it. Raises SandboxApiError after the init."""
        if self._backlog is None:
            raise SandboxApiError(403, "Telemetry.SubscriptionClosed", "Telemetry API subscription is closed")
        if extension in self._of_logs:
            raise _mixed("Telemetry", "Logs")
        state = "Already subscribed" if extension in self._known else "Subscribed"
        self._known.add(extension)
        if extension not in self._subscriptions:
            sink = open_sink()
            self._subscriptions[extension] = (subscription, sink)
            for event in self._backlog:
                _offer(event, subscription, sink)
        record = records.telemetry_subscription(extension, state, list(subscription.types))
        self.emit(now_ns, records.TELEMETRY_SUBSCRIPTION, record)

    def subscribe_to_logs(self, extension: str) -> None:
        """Remember who uses the Logs API. Raises SandboxApiError for who uses the Telemetry API."""
        if extension in self._subscriptions:
            raise _mixed("Logs", "Telemetry")
        self._of_logs.add(extension)

    def close_subscriptions(self) -> None:
        """The init is over: refuse further subscriptions."""
        self._backlog = None

    def reopen(self) -> None:
        """The sandbox was reset: forget all subscriptions, and take new ones until the next init is over."""
        self._subscriptions.clear()
        self._of_logs.clear()
        self._backlog = deque(maxlen=BACKLOG_RECORDS)

    def hold(self, shift_ns: int) -> None:
        """From now on tell nothing, until :meth:`release`; and then with times that differ by so much."""
        self._held = []
        self._shift_ns = shift_ns

    def release(self) -> None:
        """Tell what was held back, and from now on everything at once and with its own time."""
        held, self._held = self._held or [], None
        self._shift_ns = 0
        for event in held:
            self._distribute(self._ordering.pass_on(event.kind, event))

    def emit(self, time_ns: int, kind: str, record: dict[str, Any] | str) -> None:
        """Record something."""
        event = _Event(rfc3339(time_ns + self._shift_ns), kind, record)
        if self._held is not None:
            self._held.append(event)
        else:
            self._distribute(self._ordering.pass_on(kind, event))

    def invoked(self) -> None:
        """Extensions have been given an INVOKE: what waited for that may go."""
        self._distribute(self._ordering.invoked())

    def stopping(self) -> None:
        """The sandbox shuts down or is reset: nothing is held back any more."""
        self._distribute(self._ordering.stopping())

    def _distribute(self, events: Sequence[_Event]) -> None:
        for event in events:
            if self._backlog is not None:
                self._backlog.append(event)
            for subscription, sink in self._subscriptions.values():
                _offer(event, subscription, sink)


def _mixed(wanted: str, used: str) -> SandboxApiError:
    message = f"{wanted} API subscription is not allowed: the extension has subscribed to the {used} API"
    return SandboxApiError(403, f"{wanted}.SubscriptionClosed", message)


def _offer(event: _Event, subscription: Subscription, sink: Sink) -> None:
    if event.kind.partition(".")[0] in subscription.types:
        sink.add(encode(event.time, event.kind, project(event.kind, event.record, subscription.schema_version)))


def encode(time: str, kind: str, record: dict[str, Any] | str) -> bytes:
    """One record as it is sent."""
    return json.dumps({"time": time, "type": kind, "record": record}, separators=(",", ":")).encode()


def project(kind: str, record: dict[str, Any] | str, schema_version: str) -> dict[str, Any] | str:
    """The form that a record has in a schema version."""
    if isinstance(record, str):
        return _log_record(record) if schema_version >= "2022-12-13" else record
    if kind not in _WITH_INSTANCE or schema_version >= "2025-01-29":
        return record
    hidden = _INSTANCE_KEYS if schema_version >= "2022-12-13" else _INSTANCE_KEYS + _NAME_KEYS
    return {key: value for key, value in record.items() if key not in hidden}


def _log_record(line: str) -> dict[str, Any] | str:
    """A line that is a JSON object is one, from the second schema version on."""
    if line.startswith("{"):
        try:
            parsed = json.loads(line)
        except ValueError:
            return line
        if isinstance(parsed, dict):
            return parsed
    return line
