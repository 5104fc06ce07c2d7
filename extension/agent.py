"""The event loop of the extension, and the threads around it.

Three threads: this one asks for events and has the final say on how long an invocation may be prolonged; the listener's
receives telemetry; the exporter's sends. Whatever the other two do, this one goes on asking.
"""

from __future__ import annotations

import posix
from _thread import start_new_thread
from time import monotonic, sleep, time, time_ns

from extension import __version__, otlp, parsing, proc, state, wire
from extension.batches import BatchQueue
from extension.errors import HttpError, MalformedRecord
from extension.exporter import Channel, Exporter
from extension.flush import FlushPlanner
from extension.journal import Journal, boot_id
from extension.lifecycle import Lifecycle, Sandbox
from extension.listener import Listener
from extension.log_rules import LogRules
from extension.pipeline import Pipeline
from extension.records import Invoke, Shutdown
from extension.sandbox import SandboxEnvironment, resource_attributes
from extension.self_cost import SelfCost
from extension.span_builder import SpanStyle
from semconv import attributes as a

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from extension.bootstrap import Bootstrapped
    from extension.diagnostics import Diagnostics
    from extension.settings import ExportSettings, Settings

_MARGIN_S = 0.2
"""What is left of a deadline when we stop whatever we do, and answer."""
_FIRST_SIGN_S = 1.0
_DRAIN_S = 0.3
_FROZEN_S = 2.0
"""After a wait for an event that was this long, what was being sent before it is sent anew."""
_NEXT_RETRY_S = (0.0, 0.05, 0.2, 0.5, 1.0, 1.0, 1.0)
_MANAGED_PERIOD_S = 10.0
_DEFAULT_SHUTDOWN_S = 2.0
_LONG_S = 3600.0
_MOST_SEARCHES = 3


class Agent:
    """The extension, from its first event to its last."""

    def __init__(
        self, started: Bootstrapped, sandbox: SandboxEnvironment, settings: Settings, diagnostics: Diagnostics
    ) -> None:
        self._api = started.api
        self._diagnostics = diagnostics
        self._listener_sock = started.listener
        self._held = started.handoff.held
        self._event_ns = started.handoff.event_ns
        self._account_id = started.handoff.account_id or parsing.account_id(started.api.registration)
        self._sandbox = sandbox
        self._settings = settings
        self._managed = sandbox.initialization_type == wire.MANAGED_INSTANCES
        self._cost = SelfCost(started.handoff.registered_ns - started.handoff.start_ns)
        self._journal = Journal(settings.state_file, _whose(sandbox), diagnostics)
        self._lifecycle = Lifecycle(
            Sandbox(
                sandbox.function_name,
                sandbox.initialization_type or None,
                started.handoff.registered_ns,
                lambda: posix.urandom(16).hex(),
                SpanStyle(self._cost.of_phase, compact=settings.spans_compact),
            ),
            self._journal,
        )
        spans = self._channel("spans", settings.traces)
        logs = self._channel("log records", settings.logs if settings.logs_wanted else None)
        channels = [channel for channel in (spans, logs) if channel is not None]
        self._recall(spans, logs, started.handoff.start_ns)
        self._passed_on = self._queues_of_the_function(channels) if settings.receiver_port else {}
        self._exporter = Exporter(channels, lambda: self._lifecycle.instance_id, self._journal.counted, diagnostics)
        self._planner = FlushPlanner(settings.flush, settings.flush_period_s, self._exporter.health)
        self._log_rules = LogRules(
            settings.logs_redact, settings.logs_line_characters, settings.logs_per_second, diagnostics.say
        )
        self._pipeline = Pipeline(
            self._lifecycle,
            spans.queue if spans else None,
            logs.queue if logs else None,
            lambda: started.handoff.runtime_ns or proc.runtime_start_ns(sandbox.runtime_api),
            settings.in_flight_after_s,
            self._log_rules,
            diagnostics,
        )
        self._cost.flush_ms = lambda: self._exporter.health.flush_ms
        self._cost.counts = lambda: self._lost([channel.queue for channel in channels])
        self._deliveries_when_silent = -1
        self._searches_left = _MOST_SEARCHES

    def run(self) -> int:
        """Serve events until SHUTDOWN; the exit code.

        Raises:
            ApiRefused: the platform wants no more of us.
            HttpError: it cannot be reached any longer.
        """
        if self._listener_sock is not None:
            for body in self._held.deliveries:  # before the first event, which may be SHUTDOWN
                self._pipeline.on_delivery(body)
            self._held.deliveries.clear()
            listener = Listener(self._listener_sock, self._pipeline.on_delivery)
            self._start_thread("listener", lambda: self._listen(listener))
        if self._passed_on:
            self._start_thread("OTLP receiver", self._receive)
        period_s = _MANAGED_PERIOD_S if self._managed else None
        self._start_thread("exporter", lambda: self._exporter.serve_forever(period_s))
        while True:
            idle_since = time()
            event = self._next_event()
            idle_s = time() - idle_since
            if idle_s > _FROZEN_S:
                self._exporter.interrupt(older_than_s=idle_s)
            try:
                if isinstance(event, Shutdown):
                    self._on_shutdown(event)
                elif event is not None:
                    self._on_invoke(event)
            except Exception as error:  # noqa: BLE001 - whatever it is, the platform waits for us to ask again
                self._diagnostics.say("event-bug", f"an event was not dealt with: {type(error).__name__}: {error}")
            if isinstance(event, Shutdown):
                return 0

    def _listen(self, listener: Listener) -> None:
        """Deal with what comes, first of all over the connections that the launcher took in our place."""
        for fd, data in self._held.peers:
            listener.adopt(fd, data)
        listener.serve_forever(lambda: self._pipeline.tell_in_flight(self._exporter.nudge))

    def _queues_of_the_function(self, channels: list[Channel]) -> dict[str, BatchQueue]:
        """Channels for what the function's own SDK sends, and their queues by the path that it is sent to."""
        settings, queues = self._settings, {}
        for signal, export in (("traces", settings.traces), ("logs", settings.logs), ("metrics", settings.metrics)):
            if export is not None:
                queue = queues[f"/v1/{signal}"] = BatchQueue(settings.queue_bytes // 2)
                channels.append(Channel.passing_on(f"{signal} of the function", export, queue))
        return queues

    def _receive(self) -> None:
        """Take what the function's SDK sends."""
        from extension.otlp_receiver import OtlpReceiver, listen  # noqa: PLC0415 - for those who switched it on

        sock = listen(self._settings.receiver_port, self._diagnostics)
        if sock is not None:
            OtlpReceiver(sock, self._passed_on).serve_forever(lambda: _LONG_S)

    def _channel(self, name: str, settings: ExportSettings | None) -> Channel | None:
        if settings is None:
            return None
        queue = BatchQueue(self._settings.queue_bytes)
        return Channel(name, settings, queue, self._encode, f"lambdascope/{__version__}")

    def _recall(self, spans: Channel | None, logs: Channel | None, now_ns: int) -> None:
        """Go on where the process before a reset was ended."""
        remembered = self._journal.recall()
        for signal, channel in (("spans", spans), ("logs", logs)):
            if channel is not None:
                if remembered is not None and signal in remembered.counts:
                    channel.queue.begin_after(remembered.counts[signal])
                self._journal.count(signal, channel.queue)
        if remembered is not None:
            self._lifecycle.go_on_from(remembered, now_ns)

    def _lost(self, queues: list[BatchQueue]) -> dict[str, int]:
        """What was lost so far, and what could not be understood, by attribute name."""
        refused = sum(queue.refused for queue in queues)
        return {
            a.EXTENSION_DROPPED_REFUSED: refused,
            a.EXTENSION_DROPPED_NO_ROOM: sum(queue.dropped for queue in queues) - refused,
            a.EXTENSION_DROPPED_LIMITED: self._log_rules.limited,
            a.EXTENSION_RECORDS_MALFORMED: self._pipeline.malformed,
            a.EXTENSION_RECORDS_UNKNOWN: self._lifecycle.unknown_events,
            a.EXTENSION_RECORDS_LOST: self._lifecycle.logs_dropped,
        }

    def _find_log_destination(self) -> None:
        """Ask the runtime's process, in the exporter's thread, until it was seen, a few times at most."""
        if self._searches_left > 0:
            self._searches_left -= 1
            found = proc.log_destination(self._sandbox.runtime_api)
            if found is not None:
                self._searches_left = 0
                self._sandbox.log_group, self._sandbox.log_stream = found

    def _encode(self, items: list[bytes]) -> bytes:
        self._find_log_destination()
        attributes = resource_attributes(
            self._sandbox,
            self._lifecycle.instance_id,
            self._account_id,
            self._lifecycle.invoked_arn,
            self._settings.service_name,
            self._settings.resource_attributes,
        )
        return otlp.export_request(otlp.resource(attributes), items)

    def _start_thread(self, name: str, body: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                body()
            except Exception as error:  # noqa: BLE001 - the function goes on without us, but not without a word
                self._diagnostics.say(f"{name}-ended", f"the {name} ended: {type(error).__name__}: {error}")

        try:
            start_new_thread(guarded, ())
        except RuntimeError as error:
            self._diagnostics.say(f"{name}-ended", f"the {name} could not be started: {error}")

    # Events ----------------------------------------------------------------------------------------------------------

    def _next_event(self) -> Invoke | Shutdown | None:
        """Ask for the next event; None where what came is none that we know."""
        for pause_s in (*_NEXT_RETRY_S, None):
            try:
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

    def _on_invoke(self, event: Invoke) -> None:
        if self._listener_sock is None:
            return  # of an invocation nothing but its beginning would be known
        self._pipeline.on_invoke(event, self._event_ns or time_ns())
        self._event_ns = 0  # was that of the first event alone
        plan = self._planner.on_invoke(time(), self._exporter.queued_bytes)
        if plan.now:
            self._exporter.request()
        if plan.at_end and self._exporter.active:
            self._flush_at_end(event, plan.patience_s)

    def _flush_at_end(self, event: Invoke, patience_s: float) -> None:
        """Wait for the end of the invocation, and then for the flush; neither for longer than is left of its time."""
        if self._pipeline.deliveries == self._deliveries_when_silent:
            return  # still no telemetry since it failed to come: waiting would prolong every invocation for nothing
        until = _monotonic_deadline(event.deadline_ms, 0.0)
        if not self._pipeline.wait_until_done(event.request_id, until, _FIRST_SIGN_S):
            if not self._lifecycle.knows(event.request_id):
                self._deliveries_when_silent = self._pipeline.deliveries
            return
        began = monotonic()
        delivered = self._exporter.wait(self._exporter.request(), min(patience_s, until - began))
        self._planner.waited(monotonic() - began, delivered=delivered)

    def _on_shutdown(self, event: Shutdown) -> None:
        received_ns = time_ns()
        until = _monotonic_deadline(event.deadline_ms, _DEFAULT_SHUTDOWN_S)
        if self._listener_sock is None:
            return
        self._journal.ending(event.reason)
        self._pipeline.wait_until_settled(min(until, monotonic() + _DRAIN_S), failed=event.reason != "spindown")
        self._pipeline.on_shutdown(event, received_ns, time_ns())
        self._exporter.wait(self._exporter.request(), until - monotonic())
        if event.reason == "spindown":
            self._journal.forget()
        else:
            self._journal.counted()


def _whose(sandbox: SandboxEnvironment) -> str:
    return state.first_line(boot_id(), sandbox.runtime_api, f"{sandbox.function_name}:{sandbox.function_version}")


def _monotonic_deadline(deadline_ms: float | None, default_s: float) -> float:
    """A deadline of the platform (milliseconds since the epoch) on the monotonic clock, less the margin."""
    left_s = default_s if deadline_ms is None else deadline_ms / 1000 - time()
    return monotonic() + max(0.0, left_s - _MARGIN_S)
