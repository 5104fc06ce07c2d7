"""The Telemetry API of one sandbox with its deliveries, which stop while it is frozen."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable, Iterable

from emulator.clock import Clock
from emulator.faults import FaultsConfig
from emulator.telemetry import records
from emulator.telemetry.delivery import Delivery, Gate
from emulator.telemetry.hub import Hub
from emulator.telemetry.subscription import Subscription


class Outlet:
    """Takes records, and delivers them to who has subscribed at ``host``."""

    def __init__(
        self,
        faults: FaultsConfig,
        clock: Clock,
        host: str,
        open_socket: Callable[[], socket.socket],
        on_posted: Callable[[str, list[bytes], bool], None],
    ) -> None:
        """``on_posted`` gets the subscriber's name, a batch that was posted to it, and whether it was accepted."""
        self._on_posted = on_posted
        self.hub = Hub(faults)
        self._clock = clock
        self._host = host
        self._open_socket = open_socket
        self._gate = Gate()
        self._deliveries: list[Delivery] = []

    def subscribe(self, extension: str, subscription: Subscription) -> None:
        """An extension subscribes. Raises SandboxApiError."""
        self.hub.subscribe(
            extension, subscription, self._clock.now_ns(), lambda: self.open_delivery(extension, subscription)
        )

    def open_delivery(self, extension: str, subscription: Subscription) -> Delivery:
        """A queue to one subscriber."""
        on_posted = functools.partial(self._on_posted, extension)
        delivery = Delivery(subscription, self._host, self._open_socket, self._gate, self._clock, on_posted)
        self._deliveries.append(delivery)
        return delivery

    def emit(self, time_ns: int, kind: str, record: records.Record | str) -> None:
        """Record something."""
        self.hub.emit(time_ns, kind, record)

    def freeze(self) -> None:
        """Deliver nothing."""
        self._gate.close()

    def thaw(self) -> None:
        """Go on delivering."""
        self._gate.open()

    def stopping(self) -> None:
        """The sandbox shuts down or is reset: nothing waits any more."""
        self.hub.stopping()
        self.flush()

    def flush(self) -> None:
        """Deliver at once what waits."""
        for delivery in self._deliveries:
            delivery.flush()

    def restart(self) -> Iterable[Delivery]:
        """Forget all subscriptions, for the next init. What is returned is to be closed."""
        dropped, self._deliveries = self._deliveries, []
        self.hub.reopen()
        return dropped

    async def close(self) -> None:
        """Stop delivering."""
        for delivery in self._deliveries:
            await delivery.close()
