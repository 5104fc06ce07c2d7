"""Publishes the account's metrics: a metric stream and the Firehose behind it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from emulator.clock import NS_PER_MS, Clock
from emulator.metering import ServiceMeter
from emulator.metrics import (
    FORMATS,
    Delivery,
    DeliveryError,
    FirehoseSender,
    FirehoseSettings,
    MetricStream,
    deliveries,
    records,
)

_WAITING: Final = 1000
"""Deliveries that wait for the endpoint at most."""
_END_S: Final = 10.0
"""How long the last deliveries may take at the emulator's end."""
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """When metrics are published, and how."""

    every_s: float
    delay_s: float
    """How long after a minute's end it is published; CloudWatch needs two to three minutes."""
    unfinished: bool
    """Whether the minutes under way are published too, and again whenever they have changed."""
    format: str
    """A name of :data:`emulator.metrics.FORMATS`."""


class Publisher:
    """Takes the meter's points once per period, and delivers them on a thread of its own.

    Args:
        config: when and how.
        meter: has the points.
        clock: says which minute it is.
        stream: which metric stream the points are of.
        firehose: where to; None: the points are thrown away.
    """

    def __init__(
        self,
        config: MetricsConfig,
        meter: ServiceMeter,
        clock: Clock,
        stream: MetricStream,
        firehose: FirehoseSettings | None,
    ) -> None:
        self.dropped = 0
        """Deliveries for which there was no room, or that the endpoint did not take."""
        self._config = config
        self._meter = meter
        self._clock = clock
        self._stream = stream
        self._sending = None if firehose is None else _Sending(firehose, self._lost)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to publish."""
        self._task = asyncio.create_task(self._run(), name="metrics")

    async def stop(self) -> None:
        """Publish what is left, minutes under way too, and wait a while for the endpoint to take it."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._publish(unfinished=True)
        if self._sending is not None:
            await asyncio.to_thread(self._sending.close, _END_S)
        if self.dropped:
            _LOG.warning("%d deliveries of metrics were lost", self.dropped)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._config.every_s)
            self._publish(unfinished=self._config.unfinished)

    def _publish(self, *, unfinished: bool) -> None:
        now_ns = self._clock.now_ns()
        points = self._meter.flush(now_ns, unfinished=unfinished)
        if self._sending is None:
            return
        encoded = records(points, self._stream, FORMATS[self._config.format])
        for delivery in deliveries(encoded, lambda: str(uuid.uuid4()), now_ns // NS_PER_MS):
            self._sending.put(delivery)

    def _lost(self, why: str) -> None:
        self.dropped += 1
        _LOG.warning("metrics: %s", why)


class _Sending:
    """The thread that delivers, one request after the other, as Firehose does."""

    def __init__(self, settings: FirehoseSettings, lost: Callable[[str], None]) -> None:
        self._lost = lost
        self._queue: queue.Queue[Delivery | None] = queue.Queue(_WAITING)
        self._is_ending = threading.Event()
        # Waiting on the event, not asleep: at the end what remains of the retries is gone through at once.
        self._sender = FirehoseSender(settings, sleep=self._wait)
        self._thread = threading.Thread(target=self._run, name="firehose", daemon=True)
        self._thread.start()

    def put(self, delivery: Delivery) -> None:
        try:
            self._queue.put_nowait(delivery)
        except queue.Full:
            self._lost(f"no room for delivery {delivery.request_id}: {_WAITING} wait for the endpoint")

    def close(self, patience_s: float) -> None:
        """Deliver what waits, and end. An endpoint that does not answer is left behind."""
        self._is_ending.set()
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=patience_s)
        self._thread.join(patience_s)

    def _wait(self, delay_s: float) -> None:
        self._is_ending.wait(delay_s)

    def _run(self) -> None:
        while (delivery := self._queue.get()) is not None:
            try:
                self._sender.send(delivery)
            except DeliveryError as error:
                self._lost(str(error))
        self._sender.close()
