"""What the native launcher did before Python began: the variable LAMBDASCOPE_HANDOFF.

Its value is ``key=value`` pairs with spaces between them::

    stage=none|registered|listening|subscribed|waiting  how far it got; each includes those before
    api=FD          connected socket to AWS_LAMBDA_RUNTIME_API; at ``waiting`` the answer to GET /next is read from it
    listener=FD     bound and listening socket whose backlog holds deliveries
    port=N          the listener's port
    id=IDENTIFIER   Lambda-Extension-Identifier
    account=ID      the account, where the answer to the registration had it
    start_ns=N      when the process started, nanoseconds since the epoch
    registered_ns=N when the registration was answered
    event_ns=N      when the answer to GET /next came, where the launcher has seen it
    runtime_ns=N    when the runtime's process started, where the launcher has looked for it: it may be gone by now
    marks=FD        datagram socket with what the wrapper and its probe say, see marks.py
    events=FD       datagram socket with what the Runtime API proxy tells of events, see events.py
    taken_over=FD   pipe on which to say so, see :meth:`Handoff.tell_taken_over`
    held=FD         file with the telemetry that the launcher took in our place, see :func:`read_held`
"""

from __future__ import annotations

import posix
from time import time_ns

HANDOFF_VARIABLE = "LAMBDASCOPE_HANDOFF"

NONE, REGISTERED, LISTENING, SUBSCRIBED, WAITING = range(5)
_STAGES = {
    "none": NONE,
    "registered": REGISTERED,
    "listening": LISTENING,
    "subscribed": SUBSCRIBED,
    "waiting": WAITING,
}


class Handoff:
    """How far the protocol has got, and what is open.

    Attributes:
        stage: NONE … WAITING.
        api_fd, listener_fd: file descriptors, or None.
        port: of the listener; 0 where there is none.
        identifier: the extension's, empty before the registration.
        account_id: empty where it is not known.
        start_ns: start of the process, nanoseconds since the epoch.
        registered_ns: when the registration was answered; 0 where it was not.
        event_ns: when the first event came; 0 where that is not known.
        runtime_ns: when the runtime's process started; 0 where that is not known.
        held: telemetry that was taken already.
        taken_over_fd: where to say that we go on from here, or None.
        marks_fd, events_fd: sockets of the opt-in parts, or None.
    """

    __slots__ = (
        "account_id",
        "api_fd",
        "event_ns",
        "events_fd",
        "held",
        "identifier",
        "listener_fd",
        "marks_fd",
        "port",
        "registered_ns",
        "runtime_ns",
        "stage",
        "start_ns",
        "taken_over_fd",
    )

    def __init__(self) -> None:
        self.stage = NONE
        self.api_fd: int | None = None
        self.listener_fd: int | None = None
        self.port = 0
        self.identifier = ""
        self.account_id = ""
        self.start_ns = time_ns()
        self.registered_ns = 0
        self.event_ns = 0
        self.runtime_ns = 0
        self.held = Held()
        self.marks_fd: int | None = None
        self.events_fd: int | None = None
        self.taken_over_fd: int | None = None

    def tell_taken_over(self) -> None:
        """Tell the launcher, once: until then it keeps all that it gave, to start another process if this one ends."""
        if self.taken_over_fd is not None:
            try:
                posix.write(self.taken_over_fd, b"1")
            finally:
                posix.close(self.taken_over_fd)
                self.taken_over_fd = None


class Held:
    """What came to the listener before we were there.

    Attributes:
        deliveries: bodies of deliveries that were answered with 200, in the order of their arrival.
        peers: connections that stay open: file descriptor, and what was read of a delivery that is not whole yet.
    """

    __slots__ = ("deliveries", "peers")

    def __init__(self) -> None:
        self.deliveries: list[bytes] = []
        self.peers: list[tuple[int, bytes]] = []


def parse(value: str | None) -> Handoff:
    """Read the variable's value; what cannot be read counts as absent.

    An identifier is kept in any case: to register a second time is an error that the platform does not forgive.
    """
    handoff = Handoff()
    if not value:
        return handoff
    fields = dict(pair.split("=", 1) for pair in value.split() if "=" in pair)
    handoff.identifier = fields.get("id", "")
    handoff.account_id = fields.get("account", "")
    handoff.start_ns = _number(fields.get("start_ns")) or handoff.start_ns
    handoff.registered_ns = _number(fields.get("registered_ns")) or 0
    handoff.event_ns = _number(fields.get("event_ns")) or 0
    handoff.runtime_ns = _number(fields.get("runtime_ns")) or 0
    handoff.port = _number(fields.get("port")) or 0
    handoff.api_fd = _open_fd(fields.get("api"))
    handoff.listener_fd = _open_fd(fields.get("listener"))
    handoff.stage = _stage_that_holds(handoff, _STAGES.get(fields.get("stage", "")))
    handoff.marks_fd = _open_fd(fields.get("marks"))
    handoff.events_fd = _open_fd(fields.get("events"))
    handoff.taken_over_fd = _open_fd(fields.get("taken_over"))
    held_fd = _open_fd(fields.get("held"))
    if held_fd is not None:
        handoff.held = _read_held_file(held_fd)
    return handoff


def read_held(data: bytes) -> Held:
    """Read records of ``delivery LENGTH`` or ``peer FD LENGTH``, a line feed, and as many bytes; up to a broken one."""
    held = Held()
    at = 0
    while (end := data.find(b"\n", at)) >= 0:
        kind, *numbers = data[at:end].decode("ascii", "replace").split(" ")
        values = [_number(number) for number in numbers]
        if None in values or (kind, len(values)) not in {("delivery", 1), ("peer", 2)}:
            break
        at = end + 1 + (values[-1] or 0)
        content = data[end + 1 : at]
        if at > len(data):
            break
        if kind == "delivery":
            held.deliveries.append(content)
        elif (fd := _open_fd(numbers[0])) is not None:
            held.peers.append((fd, content))
    return held


def _read_held_file(fd: int) -> Held:
    try:
        data = posix.pread(fd, posix.fstat(fd).st_size, 0)
        posix.close(fd)
    except OSError:
        return Held()
    return read_held(data)


def _stage_that_holds(handoff: Handoff, claimed: int | None) -> int:
    """The furthest stage that the rest of the value supports."""
    if not handoff.identifier:
        handoff.api_fd = handoff.listener_fd = None
        return NONE
    if claimed is None or claimed == NONE:
        handoff.api_fd = None  # an answer may be under way on it: which one, nobody knows
        return REGISTERED
    if claimed >= LISTENING and (handoff.listener_fd is None or not 0 < handoff.port < 65536):
        handoff.listener_fd = None
        if claimed < SUBSCRIBED:
            return REGISTERED
    if claimed == WAITING and handoff.api_fd is None:
        return SUBSCRIBED
    return claimed


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None


def _open_fd(text: str | None) -> int | None:
    fd = _number(text)
    if fd is None or fd < 3:
        return None
    try:
        posix.fstat(fd)
    except (OSError, OverflowError):
        return None
    return fd
