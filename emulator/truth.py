"""What really happened: the record file and the counts that tests compare everything else with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, TextIO

from emulator.clock import NS_PER_MS
from emulator.concurrency import peak
from emulator.lifecycle.actions import InitDone, InvocationDone, RestoreDone, StopDone


@dataclass(slots=True)
class _Counts:
    invocations: int = 0
    cold_starts: int = 0
    sandboxes_started: int = 0
    throttles: int = 0
    errors: int = 0
    iterator_age_ms_max: float | None = None
    busy: list[tuple[int, int]] = field(default_factory=list)
    """Half-open intervals in whole milliseconds."""

    def summary(self) -> dict[str, int | float | None]:
        return {
            "invocations": self.invocations,
            "cold_starts": self.cold_starts,
            "sandboxes_started": self.sandboxes_started,
            "peak_concurrency": peak(self.busy),
            "throttles": self.throttles,
            "errors": self.errors,
            "iterator_age_ms_max": self.iterator_age_ms_max,
        }


class Ledger:
    """Counts everything, and writes a JSON line for each thing where a file is given.

    Times are those that the Telemetry API tells: a start in whole milliseconds, and an end that is the start plus the
    duration of the report. So whoever reads the telemetry can come to the same figures exactly.
    """

    def __init__(self, file: TextIO | None, telemetry: TextIO | None = None) -> None:
        """``telemetry``: where to write what extensions were posted."""
        self._file = file
        self._telemetry = telemetry
        self._functions: dict[str, _Counts] = {}

    def sandbox_started(self, function: str, instance_id: str, at_ns: int) -> None:
        """A sandbox is being started."""
        self._of(function).sandboxes_started += 1
        self._write("sandbox_start", function, instance_id, at_ms=_ms(at_ns))

    def sandbox_ended(self, function: str, instance_id: str, at_ns: int, reason: str, invocations: int) -> None:
        """Nothing of a sandbox is left."""
        self._write("sandbox_end", function, instance_id, at_ms=_ms(at_ns), reason=reason, invocations=invocations)

    def init_done(self, function: str, instance_id: str, outcome: InitDone) -> None:
        """A sandbox's init is over."""
        self._write(
            "init",
            function,
            instance_id,
            phase=outcome.phase,
            start_ms=_whole_ms(outcome.start_ns),
            end_ms=_ms(outcome.end_ns),
            duration_ms=outcome.duration_ms,
            status=outcome.status,
            error_type=outcome.error_type,
        )

    def restore_done(self, function: str, instance_id: str, outcome: RestoreDone) -> None:
        """A sandbox has been made from a snapshot, or could not be."""
        self._write(
            "restore",
            function,
            instance_id,
            start_ms=_whole_ms(outcome.start_ns),
            end_ms=_ms(outcome.end_ns),
            duration_ms=outcome.duration_ms,
            billed_ms=outcome.billed_ms,
            status=outcome.status,
            error_type=outcome.error_type,
        )

    def invocation_done(self, function: str, instance_id: str, outcome: InvocationDone) -> None:
        """An invocation is over."""
        start_ms = _whole_ms(outcome.start_ns)
        busy_start_ms = _whole_ms(outcome.busy_start_ns)
        end_ms = round(start_ms + outcome.duration_ms, 3)
        counts = self._of(function)
        counts.invocations += 1
        counts.cold_starts += outcome.cold_start
        counts.errors += outcome.status != "success"
        counts.busy.append((busy_start_ms, int(end_ms)))
        self._write(
            "invocation",
            function,
            instance_id,
            request_id=outcome.request_id,
            cold_start=outcome.cold_start,
            busy_start_ms=busy_start_ms,
            start_ms=start_ms,
            end_ms=end_ms,
            runtime_done_ms=outcome.runtime_done_ms,
            duration_ms=outcome.duration_ms,
            billed_ms=outcome.billed_ms,
            init_ms=outcome.init_ms,
            restore_ms=outcome.restore_ms,
            billed_restore_ms=outcome.billed_restore_ms,
            status=outcome.status,
            error_type=outcome.error_type,
            memory_mb=outcome.memory_mb,
            max_memory_used_mb=outcome.max_memory_used_mb,
        )

    def stop_done(self, function: str, instance_id: str, outcome: StopDone) -> None:
        """A sandbox was reset, or shut down."""
        self._write(
            "stop",
            function,
            instance_id,
            start_ms=_ms(outcome.began_ns),
            end_ms=_ms(outcome.end_ns),
            reason=outcome.reason,
            final=outcome.is_final,
            killed=outcome.killed,
        )

    def telemetry_posted(
        self, function: str, instance_id: str, extension: str, batch: list[bytes], *, is_accepted: bool
    ) -> None:
        """An extension was posted these records, each encoded."""
        if self._telemetry is None:
            return
        line: dict[str, Any] = {"function": function, "instance_id": instance_id, "extension": extension}
        line["accepted"] = is_accepted
        line["records"] = [json.loads(record) for record in batch]
        self._telemetry.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._telemetry.flush()

    def throttled(self, function: str, at_ns: int, reason: str) -> None:
        """A request was refused."""
        self._of(function).throttles += 1
        self._write("throttle", function, None, at_ms=_ms(at_ns), reason=reason)

    def batch(self, function: str, source: str, request_id: str, records: int, iterator_age_ms: float | None) -> None:
        """An event source has invoked a function; streams tell how old the batch's last record was then."""
        counts = self._of(function)
        if iterator_age_ms is not None:
            counts.iterator_age_ms_max = max(counts.iterator_age_ms_max or 0.0, iterator_age_ms)
        self._write(
            "batch", function, None, source=source, request_id=request_id, records=records,
            iterator_age_ms=iterator_age_ms,
        )  # fmt: skip

    def given_up(self, function: str, source: str, request_id: str, condition: str, records: int) -> None:
        """A mapping gave up a batch."""
        self._write(
            "given_up", function, None, source=source, request_id=request_id, condition=condition, records=records
        )

    def event_ended(self, function: str, request_id: str, condition: str, attempts: int) -> None:
        """An event of asynchronous invocation left its queue."""
        self._write("event_ended", function, None, request_id=request_id, condition=condition, attempts=attempts)

    def delivered(self, function: str, source: str, to: str, body: str, *, is_delivered: bool) -> None:
        """A record went to a destination, or could not."""
        self._write("delivery", function, None, source=source, to=to, body=body, delivered=is_delivered)

    def summary(self) -> dict[str, Any]:
        """The counts of the account and of each function."""
        account = _Counts()
        for counts in self._functions.values():
            account.invocations += counts.invocations
            account.cold_starts += counts.cold_starts
            account.sandboxes_started += counts.sandboxes_started
            account.throttles += counts.throttles
            account.errors += counts.errors
            account.busy += counts.busy
            if counts.iterator_age_ms_max is not None:
                account.iterator_age_ms_max = max(account.iterator_age_ms_max or 0.0, counts.iterator_age_ms_max)
        functions = {name: counts.summary() for name, counts in sorted(self._functions.items())}
        return {**account.summary(), "functions": functions}

    def close(self) -> None:
        """Close the files."""
        for file in (self._file, self._telemetry):
            if file is not None:
                file.close()

    def _of(self, function: str) -> _Counts:
        return self._functions.setdefault(function, _Counts())

    def _write(self, kind: str, function: str, instance_id: str | None, **members: Any) -> None:
        if self._file is None:
            return
        line = {"kind": kind, "function": function, "instance_id": instance_id, **members}
        self._file.write(json.dumps({key: value for key, value in line.items() if value is not None}) + "\n")
        self._file.flush()


def _whole_ms(at_ns: int) -> int:
    return at_ns // NS_PER_MS


def _ms(at_ns: int) -> float:
    return round(at_ns / NS_PER_MS, 3)
