"""What a process that a reset ends could not send: its batches, in a file for the process after it.

The collector may be out of reach at the very moment when a function times out. A sandbox that goes on afterwards has
lost nothing then: the batches keep their numbers, so that one which had arrived after all is known for a repeat.

The file begins with whose it is, as the journal does. Each batch is a line and as many bytes as it says::

    batch SIGNAL ITEMS EXPORTER SEQUENCE TOTAL DROPPED LENGTH
"""

from __future__ import annotations

from extension import own_file
from extension.batches import Batch
from extension.state import Counts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from extension.batches import BatchQueue

_SUFFIX = ".batches"


def keep(state_file: str, owner: str, queues: Mapping[str, BatchQueue]) -> None:
    """Write down what the queues hold in batches. `owner`: :func:`extension.state.first_line`.

    Raises:
        OSError: it could not be written; there is no file then.
    """
    path = state_file + _SUFFIX
    pieces = [owner.encode("ascii")]
    for signal, queue in queues.items():
        for batch in queue.batches():
            numbers = f"{batch.counts.sequence} {batch.counts.total} {batch.counts.dropped}"
            head = f"batch {signal} {batch.items} {batch.exporter} {numbers} {len(batch.body)}\n"
            pieces += [head.encode("ascii"), batch.body]
    if len(pieces) == 1:
        return
    own_file.remove(path)
    own_file.write(path, b"".join(pieces))


def take(state_file: str, owner: str, queues: Mapping[str, BatchQueue], most_bytes: int) -> None:
    """Queue what the process before this one left, which is then here and nowhere else."""
    path = state_file + _SUFFIX
    try:
        data = own_file.read(path, most_bytes)
    except OSError:
        return  # whatever is there, nobody else's
    own_file.remove(path)
    for signal, batch in read(data, owner):
        if signal in queues:
            queues[signal].add_batch(batch)


def read(data: bytes, owner: str) -> Iterator[tuple[str, Batch]]:
    """The batches of a file, each with its signal, up to what makes no sense; none where it is not this sandbox's."""
    head = owner.encode("ascii")
    at = len(head)
    if data[:at] != head:
        return
    while (end := data.find(b"\n", at)) >= 0:
        try:
            kind, signal, items, exporter, *rest = data[at:end].decode("ascii").split(" ")
            sequence, total, dropped, length = map(int, rest)
            count = int(items)
        except ValueError:
            return
        at = end + 1 + length
        if kind != "batch" or min(count, sequence, total, dropped, length) < 0 or at > len(data):
            return
        yield signal, Batch.numbered(data[end + 1 : at], exporter, Counts(sequence, total, dropped), count)
