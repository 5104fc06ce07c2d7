"""The thread that sends: takes batches from the queues, oldest first, and learns how the collector is doing."""

from __future__ import annotations

from time import monotonic, time

from extension.delivery import REFUSED, RETRY, Verdict
from extension.errors import HttpError
from extension.wakeup import WakeUp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from extension.batches import Batch
    from extension.channels import Channel
    from extension.diagnostics import Diagnostics

_TROUBLE = "export-retry"
"""The kind of the one line about a collector that is not reached, whoever notices it first."""


class ExportHealth:
    """How exports have been going. Written by the exporter's thread, read by whoever plans the next flush.

    Attributes:
        failures: how many flushes in a row have failed.
        last_failure_s: when the last of them did, on the wall clock.
        not_before_s: until when the collector wants to be left alone, on the wall clock.
        flush_ms: how long the last flush that had something to send took.
    """

    __slots__ = ("failures", "flush_ms", "last_failure_s", "not_before_s")

    def __init__(self) -> None:
        self.failures = 0
        self.last_failure_s = 0.0
        self.not_before_s = 0.0
        self.flush_ms = 0.0

    def succeeded(self) -> None:
        """A flush left nothing behind."""
        self.failures = 0

    def failed(self, now_s: float, retry_after_s: float) -> None:
        """A flush has to be repeated."""
        self.last_failure_s = now_s
        self.not_before_s = now_s + retry_after_s
        self.failures += 1


class Exporter:
    """Flushes the channels when it is asked to.

    Attributes:
        health: how exports have been going.
    """

    __slots__ = (
        "_channels",
        "_diagnostics",
        "_exporter",
        "_finished",
        "_on_finished",
        "_on_sealed",
        "_requested",
        "_wake",
        "health",
    )

    def __init__(
        self,
        channels: list[Channel],
        exporter: Callable[[], str],
        on_sealed: Callable[[], None],
        on_finished: Callable[[], None],
        diagnostics: Diagnostics,
    ) -> None:
        """Make an exporter.

        `exporter` says under which name batches are numbered; it is asked when one is sealed: not before there is
        anything that carries it. `on_sealed` is called before what was sealed is sent, `on_finished` when a flush is
        over; both by the exporter's thread.
        """
        self._channels = channels
        self._exporter = exporter
        self._on_sealed = on_sealed
        self._diagnostics = diagnostics
        self._wake = WakeUp()
        self._on_finished = on_finished
        self._requested = 0
        self._finished = 0
        self.health = ExportHealth()

    @property
    def active(self) -> bool:
        """Whether anything is exported at all."""
        return bool(self._channels)

    @property
    def queued_bytes(self) -> int:
        """What waits for the collector."""
        return sum(channel.queue.bytes for channel in self._channels)

    def request(self) -> int:
        """Ask for a flush of all that is queued by now; the number to wait for. For one thread."""
        self._requested += 1
        self._wake.call()
        return self._requested

    def nudge(self) -> None:
        """Ask for a flush that nobody waits for, unless exports fail just now. May be called by any thread."""
        if self.health.failures == 0:
            self._wake.call()

    def is_over(self, request: int) -> bool:
        """Whether that flush has come to its end, with or without success."""
        return self._finished >= request

    def interrupt(self, older_than_s: float) -> None:
        """Have an export that was frozen in the middle sent anew. May be called by any thread."""
        for channel in self._channels:
            channel.transport.interrupt(older_than_s)

    def serve_forever(self, period_s: float | None) -> None:
        """Flush at each request and, where a period is given, that often without one. The body of the thread."""
        while True:
            self._wake.wait(period_s)
            request = self._requested
            try:
                self.flush()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next flush may succeed; the thread must live
                self.health.failed(time(), 0.0)
                self._diagnostics.say("export-bug", f"export failed: {type(error).__name__}: {error}")
            self._finished = request
            self._on_finished()

    def flush(self) -> None:
        """Send all that is queued; to an address that fails, nothing more for now."""
        self.seal()
        began = monotonic()
        sent = 0
        failed: set[str] = set()
        retry_after_s = 0.0
        for channel in self._channels:
            address = channel.settings.endpoint.authority
            while address not in failed and (batch := channel.queue.take()) is not None:
                sent += 1
                verdict = self._send(channel, batch)
                if verdict.outcome == RETRY:
                    failed.add(address)
                    retry_after_s = max(retry_after_s, verdict.retry_after_s)
        if sent:
            self.health.flush_ms = (monotonic() - began) * 1000
        if failed:
            self.health.failed(time(), retry_after_s)
        else:
            self.health.succeeded()

    def seal(self) -> None:
        """Make batches of all that is queued, and have their numbers written down. May be called by any thread."""
        for channel in self._channels:
            channel.queue.seal(self._exporter, channel.body)
        self._on_sealed()

    def say_slow(self, waited_s: float) -> None:
        """Tell that a flush was not over after so long; nothing where nobody is sent anything."""
        if not self._channels:
            return
        endpoints = ", ".join(sorted({str(channel.settings.endpoint) for channel in self._channels}))
        self._diagnostics.say(
            _TROUBLE, f"{endpoints}: no answer within {max(waited_s, 0.0):.1f} s; what is not sent is kept for later"
        )

    def _send(self, channel: Channel, batch: Batch) -> Verdict:
        """Send one batch, and do with it as the collector says."""
        try:
            verdict = channel.send(batch, self._diagnostics)
        except HttpError as error:
            verdict = Verdict(RETRY, str(error))
        except BaseException:
            channel.queue.keep(batch)
            raise
        if verdict.outcome == RETRY:
            channel.queue.keep(batch)
            where, what = channel.settings.endpoint, channel.name
            self._diagnostics.say(_TROUBLE, f"{where}: {verdict.reason}; {what} are kept for later")
        else:
            self._settle(channel, batch, verdict)
        return verdict

    def _settle(self, channel: Channel, batch: Batch, verdict: Verdict) -> None:
        dropped = batch.items if verdict.outcome == REFUSED else min(verdict.rejected, batch.items)
        channel.queue.done(batch, dropped=dropped)
        if dropped:
            self._diagnostics.say(
                f"refused {channel.name}",
                f"{channel.settings.endpoint} refused {dropped} {channel.name}: {verdict.reason or 'no reason given'}",
            )
        elif verdict.reason:
            self._diagnostics.say(f"warned {channel.name}", f"{channel.settings.endpoint} says: {verdict.reason}")
