"""How a segment is cut into batches. Pure, and a function of the segment alone.

A batch keeps its boundaries and its token whenever and however often it is made, so that ClickHouse recognises the
second insert of one that it already has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.otlp.signals import Signal
    from collector.spool.record import Record

MAX_BATCH_ITEMS: Final = 50_000
"""Items after which a batch is closed. A change moves the boundaries of batches that are in a spool at the update."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one signal that are inserted together.

    Attributes:
        token: ``insert_deduplication_token`` of the insert, unique to this batch for good.
        tenant: the database that it goes to.
    """

    token: str
    signal: Signal
    tenant: str
    records: tuple[Record, ...]

    @property
    def items(self) -> int:
        """Spans, log records or points in it."""
        return sum(record.items for record in self.records)

    @property
    def bodies(self) -> list[bytes]:
        """The requests."""
        return [record.body for record in self.records]


def batches(segment_name: str, records: Sequence[Record]) -> Iterator[Batch]:
    """The batches of a segment, each signal's records of each tenant in their order."""
    groups: dict[tuple[Signal, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.signal, record.tenant), []).append(record)
    for signal, tenant in sorted(groups):
        name = f"{segment_name}-{signal.label}-{tenant}" if tenant else f"{segment_name}-{signal.label}"
        for number, part in enumerate(_parts(groups[signal, tenant])):
            yield Batch(f"{name}-{number}", signal, tenant, tuple(part))


def _parts(records: Sequence[Record]) -> Iterator[list[Record]]:
    """The records in runs of at most :data:`MAX_BATCH_ITEMS` items, where a record has not more by itself."""
    part: list[Record] = []
    items = 0
    for record in records:
        if part and items + record.items > MAX_BATCH_ITEMS:
            yield part
            part, items = [], 0
        part.append(record)
        items += record.items
    yield part
