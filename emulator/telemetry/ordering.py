"""In which order, and whether, records reach subscribers: usually as they are made, otherwise as faults have it."""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, TypeVar

from emulator.faults import NEVER, NEXT, FaultsConfig
from emulator.telemetry import records

T = TypeVar("T")
_OF_INIT: Final = frozenset({records.INIT_START, records.INIT_RUNTIME_DONE, records.INIT_REPORT, records.EXTENSION})


class Ordering(Generic[T]):
    """Holds records back. Without faults every record passes at once."""

    def __init__(self, faults: FaultsConfig) -> None:
        self._faults = faults
        self._init: deque[T] = deque()
        self._reports: deque[T] = deque()
        self._batch: deque[T] = deque()
        self._is_init_held = faults.late_init
        self._finished = 0

    def pass_on(self, kind: str, item: T) -> list[T]:
        """What may go, now that a record was made."""
        if self._is_init_held and kind in _OF_INIT:
            self._init.append(item)
            return []
        if kind == records.REPORT and self._faults.report == NEXT:
            self._reports.append(item)
            return []
        passed = [] if kind == records.REPORT and self._faults.report == NEVER else [item]
        return self._batched(kind, passed)

    def _batched(self, kind: str, passed: list[T]) -> list[T]:
        if self._faults.batch_invocations == 1:
            return passed
        self._batch += passed
        self._finished += kind == records.RUNTIME_DONE
        if self._finished < self._faults.batch_invocations or kind != records.START:
            return []
        self._finished = 0  # the batch ends with the start of the next invocation
        return _take(self._batch)

    def invoked(self) -> list[T]:
        """What may go, now that extensions know of an invocation."""
        self._is_init_held = False
        return _take(self._init) + _take(self._reports)

    def stopping(self) -> list[T]:
        """What may go, now that the sandbox shuts down or is reset: all."""
        return self.invoked() + _take(self._batch)


def _take(held: deque[T]) -> list[T]:
    taken = list(held)
    held.clear()
    return taken
