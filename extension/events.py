"""Events that the Runtime API proxy tells of: datagrams that it sends when an event has gone by.

A line ``event ID RECEIVED_NS UNTOLD LENGTH RECORDS GROUPED PREFIX RECORD SUFFIX``, whose last three are lengths, and as
many bytes (extension/runtime_proxy/capture.h).
"""

from __future__ import annotations

import posix

from extension.event_facts import Captured, facts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from extension.event_facts import EventFacts

_MOST_BYTES = 65536
_FIELDS = 10


class EventReader:
    """Reads what the proxy tells.

    Attributes:
        malformed: how many messages could not be understood.
        untold: of how many events the proxy could not tell, as it says in its latest message.
    """

    __slots__ = ("_fd", "_payload", "malformed", "untold")

    def __init__(self, fd: int, payload: Callable[[Captured], str | None]) -> None:
        """`payload` says what of an event is recorded itself."""
        self._fd = fd
        self._payload = payload
        self.malformed = self.untold = 0
        posix.set_blocking(fd, False)

    def read(self) -> Iterator[tuple[str, EventFacts, str | None]]:
        """Request id, facts and payload of each event that has come. Never waits."""
        while True:
            try:
                message = posix.read(self._fd, _MOST_BYTES)
            except OSError:
                return
            if not message:
                return
            captured = parse_message(message)
            if captured is None:
                self.malformed += 1
            else:
                self.untold = captured.untold
                yield captured.request_id, facts_of(captured), self._payload(captured)


def parse_message(message: bytes) -> Captured | None:
    """A message of the proxy; None where it is none."""
    head, _, pieces = message.partition(b"\n")
    words = head.decode("ascii", "replace").split(" ")
    if len(words) != _FIELDS or words[0] != "event":
        return None
    try:
        received_ns, untold, length, records, grouped, *sizes = (int(word) for word in words[2:])
    except ValueError:
        return None
    if sum(sizes) != len(pieces) or min(sizes) < 0:
        return None
    prefix, record = pieces[: sizes[0]], pieces[sizes[0] : sizes[0] + sizes[1]]
    return Captured(
        request_id=words[1],
        received_ns=received_ns,
        untold=untold,
        length=length,
        records=records,
        grouped=grouped,
        prefix=prefix.decode("utf-8", "replace"),
        record=record.decode("utf-8", "replace"),
        suffix=pieces[sizes[0] + sizes[1] :].decode("utf-8", "replace"),
    )
