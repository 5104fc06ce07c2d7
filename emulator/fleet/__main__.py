"""``python -m emulator.fleet``: generate a fleet, send its streams, print the truth about it as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from emulator.clock import rfc3339
from emulator.fleet.archive import Archive, ArchiveWriter
from emulator.fleet.errors import ArchiveError, ExportError, FleetConfigError
from emulator.fleet.facts import Fact, as_json
from emulator.fleet.options import Options, parse
from emulator.fleet.sender import OtlpSender, Pacer
from emulator.fleet.simulation import Minute, Simulation
from emulator.fleet.streams import MetricDeliveries, Traces, TraceStream
from emulator.fleet.truth import Truth
from emulator.metrics import DeliveryError, FirehoseSender

_PROGRESS_EVERY_S: Final = 2.0
_US_PER_HOUR: Final = 3_600_000_000


class Progress:
    """A line on stderr every few seconds."""

    def __init__(self, options: Options, end_us: int) -> None:
        self.spans = self.requests = self.points = self.deliveries = 0
        self._start_us = options.start_us
        self._end_us = end_us
        self._began_s = self._told_s = time.monotonic()

    def tell(self, now_us: int) -> None:
        """Say how far it is, if that was not said just now."""
        if time.monotonic() - self._told_s >= _PROGRESS_EVERY_S:
            self._told_s = time.monotonic()
            share = (now_us - self._start_us) / (self._end_us - self._start_us)
            per_s = self.spans / (self._told_s - self._began_s)
            _say(f"{share:6.1%}  {rfc3339(now_us * 1000)}  {self.spans} spans ({per_s:.0f}/s), {self.points} points")

    def as_json(self) -> dict[str, Any]:
        """For the summary."""
        return {
            "spans": self.spans,
            "trace_requests": self.requests,
            "metric_points": self.points,
            "firehose_deliveries": self.deliveries,
        }


class Run:
    """One generation, from the simulation to the senders."""

    def __init__(self, options: Options, stack: ExitStack) -> None:
        self._options = options
        self._simulation = Simulation(options.fleet, options.start_us, with_metrics=options.with_metrics)
        self._traces = TraceStream(options.fleet, options.spans_per_request)
        self._metrics = MetricDeliveries(options.fleet, options.metric_format)
        self._metrics_from_us = 0
        if options.metrics_hours is not None:
            self._metrics_from_us = self._simulation.end_us - round(options.metrics_hours * _US_PER_HOUR)
        self._pacer = Pacer(options.rate)
        self._progress = Progress(options, self._simulation.end_us)
        self._truth = Truth()
        self._otlp: OtlpSender | None = None
        self._firehose: FirehoseSender | None = None
        self._file: TextIO | None = None
        self._archive: ArchiveWriter | None = None
        if options.otlp is not None:
            self._otlp = stack.enter_context(closing(OtlpSender(options.otlp, options.otlp_headers)))
        if options.firehose is not None:
            self._firehose = stack.enter_context(closing(FirehoseSender(options.firehose)))
        if options.save is not None:
            self._archive = stack.enter_context(ArchiveWriter(options.save))
        if options.truth is not None:
            self._file = stack.enter_context(options.truth.open("w", encoding="utf-8"))

    def __call__(self) -> dict[str, Any]:
        """Generate and send everything; the summary."""
        for minute in self._simulation.minutes():
            self._truth.add(minute.facts)
            self._write(minute.facts)
            self._send_traces(self._traces.add(minute.facts))
            self._send_metrics(minute)
            self._progress.tell(minute.end_us)
        self._send_traces(self._traces.rest())
        summary = self._truth.summary(self._options.fleet, self._options.start_us, self._simulation.end_us)
        summary |= self._progress.as_json()
        if self._archive is not None:
            self._archive.finish(summary)
        return summary

    def _write(self, facts: Iterable[Fact]) -> None:
        if self._file is not None:
            for fact in facts:
                self._file.write(json.dumps(as_json(fact), separators=(",", ":")) + "\n")

    def _send_traces(self, requests: Iterable[Traces]) -> None:
        for request in requests:
            self._pacer.wait(request.spans)
            if self._otlp is not None:
                self._otlp.send(request.body)
            if self._archive is not None:
                self._archive.traces(request.body)
            self._progress.spans += request.spans
            self._progress.requests += 1

    def _send_metrics(self, minute: Minute) -> None:
        points = [point for point in minute.points if point.start_ns >= self._metrics_from_us * 1000]
        for delivery in self._metrics.add(points, minute.end_us):
            if self._firehose is not None:
                self._firehose.send(delivery)
            if self._archive is not None:
                self._archive.delivery(delivery)
            self._progress.deliveries += 1
        self._progress.points += len(points)


def send_archive(options: Options, archive: Archive, stack: ExitStack) -> dict[str, Any]:
    """Send what was saved; the summary of then."""
    if options.otlp is not None:
        otlp = stack.enter_context(closing(OtlpSender(options.otlp, options.otlp_headers)))
        for body in archive.traces():
            otlp.send(body)
    if options.firehose is not None:
        firehose = stack.enter_context(closing(FirehoseSender(options.firehose)))
        for delivery in archive.deliveries():
            firehose.send(delivery)
    return archive.truth


def main(arguments: list[str]) -> int:
    """Run. The exit code: 1 where a receiver gave up, 2 where the fleet cannot be as asked, 130 after Ctrl-C."""
    logging.basicConfig(level=logging.WARNING, format="fleet: %(message)s", stream=sys.stderr)
    try:
        options = parse(arguments, datetime.now(UTC))
        with ExitStack() as stack:
            if options.load is not None:
                summary = send_archive(options, Archive(options.load), stack)
            else:
                summary = Run(options, stack)()
    except (FleetConfigError, ArchiveError) as error:
        _say(str(error))
        return 2
    except (ExportError, DeliveryError, OSError) as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    sys.stdout.write(json.dumps(summary) + "\n")
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"fleet: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
