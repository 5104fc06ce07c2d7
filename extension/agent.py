"""The event loop of the extension, and the threads around it.

Two threads: this one asks for events, takes telemetry, and has the final say on how long an invocation may be
prolonged; the exporter's sends. Whatever the other does, this one goes on asking.
"""

from __future__ import annotations

import posix
from _thread import start_new_thread
from time import monotonic, sleep, time, time_ns

from extension import parsing, proc, state, wire
from extension.channels import Channels, ResourceOfSandbox
from extension.depth import Depth
from extension.errors import HttpError, MalformedRecord
from extension.exporter import Exporter
from extension.flush import FlushPlanner
from extension.identity import Sandbox
from extension.journal import Journal, boot_id
from extension.lifecycle import Lifecycle
from extension.listener import Listener
from extension.log_rules import LogRules
from extension.pipeline import Pipeline
from extension.reactor import Doorbell, Reactor
from extension.records import Invoke, Shutdown
from extension.self_cost import SelfCost
from extension.span_builder import SpanStyle
from semconv import attributes as a

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from extension.bootstrap import Bootstrapped
    from extension.diagnostics import Diagnostics
    from extension.metrics import Metrics
    from extension.sandbox import SandboxEnvironment
    from extension.settings import Settings

_MARGIN_S = 0.2
"""What is left of a deadline when we stop whatever we do, and answer."""
_FIRST_SIGN_S = 1.0
_DRAIN_S = 0.3
_FROZEN_S = 2.0
"""After a wait for an event that was this long, what was being sent before it is sent anew."""
_SOON_S = 0.5
"""Within this time after it was asked to, the exporter's thread has begun to send."""
_NEXT_RETRY_S = (0.0, 0.05, 0.2, 0.5, 1.0, 1.0, 1.0)
_MANAGED_PERIOD_S = 10.0
_LAST_RETRY_S = 0.1
_DEFAULT_SHUTDOWN_S = 2.0


class Agent:
    """The extension, from its first event to its last."""

    def __init__(
        self, started: Bootstrapped, sandbox: SandboxEnvironment, settings: Settings, diagnostics: Diagnostics
    ) -> None:
        handoff = started.handoff
        self._api = started.api
        self._diagnostics = diagnostics
        self._listener_sock = started.listener
        self._held = handoff.held
        self._event_ns = handoff.event_ns
        self._settings = settings
        self._managed = sandbox.initialization_type == wire.MANAGED_INSTANCES
        self._cost = SelfCost(handoff.registered_ns - handoff.start_ns)
        self._owner = _whose(sandbox)
        self._journal = Journal(settings.state_file, self._owner, diagnostics)
        self._lifecycle = Lifecycle(
            Sandbox(
                sandbox.function_name,
                sandbox.initialization_type or None,
                handoff.registered_ns,
                lambda: posix.urandom(16).hex(),
                SpanStyle(self._cost.of_phase, compact=settings.spans_compact),
                self._log_stream,
            ),
            self._journal,
        )
        resource = self._resource = ResourceOfSandbox(
            sandbox, settings, handoff.account_id or parsing.account_id(started.api.registration), self._identity
        )
        self._channels = Channels(settings, resource.encode)
        self._recall(handoff.start_ns)
        self._reactor = Reactor(self._on_reactor_trouble, self._tick)
        self._flushed = Doorbell()
        self._exporter = Exporter(
            self._channels.all,
            lambda: self._lifecycle.exporter,
            self._journal.counted,
            self._flushed.ring,
            diagnostics,
        )
        self._planner = FlushPlanner(settings.flush, settings.flush_period_s, self._exporter.health)
        self._log_rules = LogRules(
            settings.logs_redact, settings.logs_line_characters, settings.logs_per_second, diagnostics.say
        )
        self._depth = Depth(handoff, self._lifecycle, sandbox, settings.payload_characters, self._log_rules.redacted)
        self._pipeline = Pipeline(
            self._lifecycle,
            self._channels.spans,
            self._channels.logs,
            lambda: handoff.runtime_ns or proc.runtime_start_ns(sandbox.runtime_api),
            settings.in_flight_after_s,
            self._log_rules,
            diagnostics,
            self._depth.read,
            self._metrics_of(settings),
        )
        self._cost.flush_ms = lambda: self._exporter.health.flush_ms
        self._cost.counts = self._losses
        self._deliveries_when_silent = -1
        self._event_is_here = False

    def run(self) -> int:
        """Serve events until SHUTDOWN; the exit code.

        Raises:
            ApiRefused: the platform wants no more of us.
            HttpError: it cannot be reached any longer.
        """
        self._reactor.add(self._flushed.fd, self._flushed.heard)
        if self._listener_sock is not None:
            self._listen(self._listener_sock)
        if self._channels.of_function:
            self._receive()
        self._start_exporter()
        while True:
            idle_since = time()
            event = self._next_event()
            idle_s = time() - idle_since
            if idle_s > _FROZEN_S:
                self._exporter.interrupt(older_than_s=idle_s - _SOON_S)
            try:
                if isinstance(event, Shutdown):
                    self._on_shutdown(event)
                elif event is not None:
                    self._on_invoke(event)
            except Exception as error:  # noqa: BLE001 - whatever it is, the platform waits for us to ask again
                self._diagnostics.say("event-bug", f"an event was not dealt with: {type(error).__name__}: {error}")
            if isinstance(event, Shutdown):
                return 0

    # Parts -----------------------------------------------------------------------------------------------------------

    def _listen(self, sock: _socket.socket) -> None:
        """Take telemetry: what the launcher took in our place, what comes over its connections, and new ones."""
        for body in self._held.deliveries:  # before the first event, which may be SHUTDOWN
            self._pipeline.on_delivery(body)
        self._held.deliveries.clear()
        self._journal.counted()
        listener = Listener(self._reactor, sock, self._on_delivery)
        for fd, data in self._held.peers:
            listener.adopt(fd, data)

    def _on_delivery(self, body: bytes) -> None:
        """Take a delivery, and write down at once how much that was: a process can be killed at any time."""
        self._pipeline.on_delivery(body)
        self._journal.counted()

    def _metrics_of(self, settings: Settings) -> Metrics | None:
        """None where none are asked for, so that nothing of them is loaded."""
        queue = self._channels.metrics
        if queue is None:
            return None
        from extension.metrics import Metrics  # noqa: PLC0415 - for those who asked for some

        temporality, period_s = settings.temporality, settings.proc_metrics_s
        return Metrics(queue, temporality, period_s, of_invocations=settings.metrics_wanted)

    def _receive(self) -> None:
        """Take what the function's SDK sends."""
        from extension.handler_spans import HandlerSpans  # noqa: PLC0415 - for those who switched it on
        from extension.otlp_receiver import OtlpReceiver, listen  # noqa: PLC0415

        sock = listen(self._settings.receiver_port, self._diagnostics)
        if sock is not None:
            handlers = self._lifecycle.handlers = HandlerSpans()
            channels = self._channels
            OtlpReceiver(self._reactor, sock, channels.of_function, channels.protobuf_only, handlers.take)

    def _recall(self, now_ns: int) -> None:
        """Go on where the process before a reset was ended."""
        remembered = self._journal.recall()
        if remembered is not None:
            from extension import leftovers  # noqa: PLC0415 - for sandboxes that were reset

            most_bytes = 2 * self._settings.queue_bytes + len(self._owner)
            leftovers.take(self._journal.path, self._owner, self._channels.numbered, most_bytes)
        for signal, queue in self._channels.numbered.items():
            if remembered is not None and signal in remembered.counts:
                queue.begin_after(remembered.counts[signal])
            self._journal.count(signal, queue)
        if remembered is not None:
            self._lifecycle.go_on_from(remembered, now_ns)

    def _log_stream(self) -> str:
        """The sandbox's log stream, where it has one of its own."""
        return "" if self._managed else self._resource.log_stream()

    def _identity(self) -> tuple[str, str | None]:
        return self._lifecycle.instance_id, self._lifecycle.invoked_arn

    def _losses(self) -> dict[str, int]:
        """What was lost so far, and what could not be understood, by attribute name."""
        queues = [channel.queue for channel in self._channels.all]
        refused = sum(queue.refused for queue in queues)
        events = self._depth.events
        lost = {} if events is None else {a.EXTENSION_EVENTS_LOST: events.untold + events.malformed}
        return lost | {
            a.EXTENSION_DROPPED_REFUSED: refused,
            a.EXTENSION_DROPPED_NO_ROOM: sum(queue.dropped for queue in queues) - refused,
            a.EXTENSION_DROPPED_LIMITED: self._log_rules.limited,
            a.EXTENSION_RECORDS_MALFORMED: self._pipeline.malformed,
            a.EXTENSION_RECORDS_UNKNOWN: self._lifecycle.unknown_events,
            a.EXTENSION_RECORDS_LOST: self._lifecycle.logs_dropped,
        }

    def _start_exporter(self) -> None:
        def serve() -> None:
            try:
                self._exporter.serve_forever(_MANAGED_PERIOD_S if self._managed else None)
            except Exception as error:  # noqa: BLE001 - the function goes on without us, but not without a word
                self._diagnostics.say("exporter-ended", f"the exporter ended: {type(error).__name__}: {error}")

        try:
            start_new_thread(serve, ())
        except RuntimeError as error:
            self._diagnostics.say("exporter-ended", f"the exporter could not be started: {error}")

    def _tick(self) -> float:
        return min(self._pipeline.measure(), self._pipeline.tell_in_flight(self._exporter.nudge))

    def _on_reactor_trouble(self, error: Exception) -> None:
        self._diagnostics.say("receive-bug", f"a connection was given up: {type(error).__name__}: {error}")

    # Events ----------------------------------------------------------------------------------------------------------

    def _next_event(self) -> Invoke | Shutdown | None:
        """Ask for the next event, and serve the others until it comes; None where it is none that we know."""
        for pause_s in (*_NEXT_RETRY_S, None):
            try:
                self._api.ask_next()
                self._serve_until_event(self._api.fileno())
                return parsing.parse_event(self._api.read_next())
            except MalformedRecord as error:
                self._diagnostics.say("malformed-event", f"an event could not be understood: {error}")
                sleep(_NEXT_RETRY_S[1])
                return None
            except HttpError as error:
                self._diagnostics.say("next", f"asking for the next event failed: {error}")
                if pause_s is None:
                    raise
                sleep(pause_s)
        raise AssertionError("unreachable: the last turn of the loop returns or raises")

    def _serve_until_event(self, fd: int) -> None:
        self._event_is_here = False
        self._reactor.add(fd, self._on_event_is_here)
        self._reactor.run_until(lambda: self._event_is_here, None)
        self._reactor.remove(fd)

    def _on_event_is_here(self, _fd: int) -> None:
        self._event_is_here = True

    def _on_invoke(self, event: Invoke) -> None:
        if self._listener_sock is None:
            return  # of an invocation nothing but its beginning would be known
        self._pipeline.on_invoke(event, self._event_ns or time_ns())
        self._event_ns = 0  # was that of the first event alone
        plan = self._planner.on_invoke(time(), self._exporter.queued_bytes)
        if plan.now:
            self._pipeline.before_flush()
            self._exporter.request()
        if plan.at_end and self._exporter.active:
            self._flush_at_end(event, plan.patience_s)

    def _flush_at_end(self, event: Invoke, patience_s: float) -> None:
        """Wait for the end of the invocation, and then for the flush; neither for longer than is left of its time."""
        if self._pipeline.deliveries == self._deliveries_when_silent:
            return  # still no telemetry since it failed to come: waiting would prolong every invocation for nothing
        until = _monotonic_deadline(event.deadline_ms, 0.0)
        if not self._wait_until_done(event.request_id, until):
            if not self._lifecycle.knows(event.request_id):
                self._deliveries_when_silent = self._pipeline.deliveries
            return
        began = monotonic()
        delivered = self._flush(min(until, began + patience_s))
        self._planner.waited(monotonic() - began, delivered=delivered)

    def _wait_until_done(self, request_id: str, until: float) -> bool:
        """Whether the runtime is done with a request by then, and within a second where nothing is heard of it."""
        lifecycle, first_sign = self._lifecycle, min(until, monotonic() + _FIRST_SIGN_S)
        self._reactor.run_until(lambda: lifecycle.knows(request_id) or lifecycle.is_done(request_id), first_sign)
        if lifecycle.knows(request_id):
            self._reactor.run_until(lambda: lifecycle.is_done(request_id), until)
        return lifecycle.is_done(request_id)

    def _flush(self, until: float) -> bool:
        """Flush, and wait for it until that time on the monotonic clock; whether all was delivered."""
        began = monotonic()
        self._pipeline.before_flush()
        request = self._exporter.request()
        if not self._reactor.run_until(lambda: self._exporter.is_over(request), until):
            if until > began:  # else there was no time for it: that is not the collector's doing
                self._exporter.say_slow(until - began)
            return False
        return self._exporter.health.failures == 0

    def _on_shutdown(self, event: Shutdown) -> None:
        received_ns = time_ns()
        until = _monotonic_deadline(event.deadline_ms, _DEFAULT_SHUTDOWN_S)
        if self._listener_sock is None:
            return
        self._journal.ending(event.reason)
        failed, lifecycle = event.reason != "spindown", self._lifecycle
        self._reactor.run_until(
            lambda: lifecycle.settled and (lifecycle.knows_what_failed or not failed),
            min(until, monotonic() + _DRAIN_S),
        )
        self._pipeline.on_shutdown(event, received_ns, time_ns())
        if failed:
            self._flush(until)
            self._leave_behind()
        else:
            self._flush_last(until)
            self._journal.forget()

    def _flush_last(self, until: float) -> None:
        """Flush as often as there is time for it: what is not sent now is lost with the sandbox."""
        health = self._exporter.health
        while not self._flush(until):
            again = monotonic() + max(_LAST_RETRY_S, health.not_before_s - time())
            if again >= until:
                return
            self._reactor.run_until(lambda: False, again)

    def _leave_behind(self) -> None:
        """A reset: what could not be sent is for the process after this one."""
        from extension import leftovers  # noqa: PLC0415 - for sandboxes that are reset

        self._exporter.seal()
        path = self._journal.path
        try:
            if path:
                leftovers.keep(path, self._owner, self._channels.numbered)
        except OSError as error:
            trouble = error.strerror or str(error)
            self._diagnostics.say("leftovers", f"{path}: {trouble}; what was not sent before the reset is lost")


def _whose(sandbox: SandboxEnvironment) -> str:
    return state.first_line(boot_id(), sandbox.runtime_api, f"{sandbox.function_name}:{sandbox.function_version}")


def _monotonic_deadline(deadline_ms: float | None, default_s: float) -> float:
    """A deadline of the platform (milliseconds since the epoch) on the monotonic clock, less the margin."""
    left_s = default_s if deadline_ms is None else deadline_ms / 1000 - time()
    return monotonic() + max(0.0, left_s - _MARGIN_S)
