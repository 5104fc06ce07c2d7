"""What survives a reset of the sandbox: a journal in /tmp, a few short lines per invocation.

After a timeout or a crash Lambda starts every process of the sandbox anew, and keeps /tmp. The journal lets the new
process go on with the sandbox's id, its numbering of attempts and batches, and end what was open. It is text::

    lambdascope 2 BOOT RUNTIME_API FUNCTION:VERSION      whose it is
    life COUNT                                           how many processes there were before the one that writes
    instance ID given|drawn EXPORTER                     where the id came from: the platform, or us; see Identity
    open NUMBER INVOKED START DEADLINE COLD BUSY REQUEST ARN TRACING
    ended NUMBER END REQUEST                             its span was made
    count SIGNAL SEQUENCE TOTAL DROPPED                  of the batches and items of a signal
    reset REASON                                         SHUTDOWN was received

``-`` stands for what is not known. Reading is strict: a journal with one line that makes no sense is not ours. A last
line without its end is left out, since a process may be killed in the middle of writing.
"""

from __future__ import annotations

from extension import records as r
from extension.attempts import Attempt
from extension.init_runs import InitRun

FIRST_LINE = "lambdascope 2 "
_UNKNOWN = "-"
_LONGEST_FIELD = 2048
_SIGNALS = 8


class Counts:
    """How far a signal's batches have come.

    Attributes:
        sequence: number of the last batch.
        total: items queued so far, those of no batch yet included.
        dropped: items dropped so far.
    """

    __slots__ = ("dropped", "sequence", "total")

    def __init__(self, sequence: int = 0, total: int = 0, dropped: int = 0) -> None:
        self.sequence = sequence
        self.total = total
        self.dropped = dropped

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counts) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        return "Counts({}, {}, {})".format(*self._fields())

    def _fields(self) -> tuple[int, int, int]:
        return self.sequence, self.total, self.dropped


class Remembered:
    """What the processes before this one left behind.

    Attributes:
        lives: how many processes that was.
        instance_id: None where it was not settled.
        instance_given: whether the platform gave it.
        exporter: under which name its batches are numbered.
        reason: of the SHUTDOWN that ended the last one; empty where it did not hear of any.
        attempts: those that ended and those that did not, oldest first.
        counts: by signal.
    """

    __slots__ = ("attempts", "counts", "exporter", "instance_given", "instance_id", "lives", "reason")

    def __init__(self) -> None:
        self.lives = 1
        self.instance_id: str | None = None
        self.instance_given = False
        self.exporter = ""
        self.reason = ""
        self.attempts: list[Attempt] = []
        self.counts: dict[str, Counts] = {}


# Writing -------------------------------------------------------------------------------------------------------------


def first_line(boot_id: str, runtime_api: str, function: str) -> str:
    """Whose journal it is."""
    return f"{FIRST_LINE}{_field(boot_id)} {_field(runtime_api)} {_field(function)}\n"


def opened(attempt: Attempt) -> str:
    """What is known of an attempt that has not ended; a later line takes the place of an earlier one."""
    invoke, cold = attempt.invoke, attempt.waited
    deadline_ms = invoke.deadline_ms if invoke is not None else None
    busy = min((run.start_ns for run in attempt.runs if run.waited and run.start_ns is not None), default=None)
    return (
        f"open {attempt.number} {_field(attempt.invoked_ns)} {_field(attempt.start_ns)}"
        f" {_field(None if deadline_ms is None else int(deadline_ms))}"
        f" {_field(None if cold is None else int(cold))} {_field(busy)}"
        f" {_field(attempt.request_id)} {_field(attempt.arn)} {_field(attempt.tracing)}\n"
    )


def ended(attempt: Attempt, end_ns: int) -> str:
    """An attempt whose span was made."""
    return f"ended {attempt.number} {end_ns} {_field(attempt.request_id)}\n"


def instance(instance_id: str, exporter: str, *, given: bool) -> str:
    """The id of the sandbox, and the name under which its batches are numbered."""
    return f"instance {_field(instance_id)} {'given' if given else 'drawn'} {_field(exporter)}\n"


def counted(signal: str, counts: Counts) -> str:
    """How far a signal's batches have come."""
    return f"count {signal} {counts.sequence} {counts.total} {counts.dropped}\n"


def _field(value: str | int | None) -> str:
    """One field; what would break the line counts as unknown."""
    if type(value) is int:
        return str(value)
    text = str(value)
    if value is None or not text or len(text) > _LONGEST_FIELD or not text.isascii() or not text.isprintable():
        return _UNKNOWN
    return _UNKNOWN if " " in text else text


# Reading -------------------------------------------------------------------------------------------------------------


def parse(text: str, expected_first_line: str, most_attempts: int) -> Remembered | None:
    """Read a journal; None where it is not that of this sandbox, or makes no sense."""
    head, newline, rest = text.partition("\n")
    if head + newline != expected_first_line:
        return None
    lines = rest.split("\n")[:-1]
    reader = _Reader()
    try:
        for line in lines:
            reader.read(line.split(" "))
    except (ValueError, KeyError):
        return None
    remembered = reader.remembered
    remembered.attempts = list(reader.attempts.values())[-most_attempts:]
    return remembered


class _Reader:
    """Reads line by line. Its methods raise ValueError or KeyError for what makes no sense."""

    __slots__ = ("attempts", "remembered")

    def __init__(self) -> None:
        self.remembered = Remembered()
        self.attempts: dict[tuple[str, int], Attempt] = {}

    def read(self, fields: list[str]) -> None:
        kind, values = fields[0], fields[1:]
        if kind == "open":
            self._open(_exactly(values, 9))
        elif kind == "ended":
            self._ended(*_exactly(values, 3))
        elif kind == "count":
            self._count(*_exactly(values, 4))
        elif kind == "instance":
            self.remembered.instance_id, given, self.remembered.exporter = _exactly(values, 3)
            self.remembered.instance_given = {"given": True, "drawn": False}[given]
        elif kind == "reset":
            [self.remembered.reason] = _exactly(values, 1)
        elif kind == "life":
            [count] = _exactly(values, 1)
            self.remembered.lives = int(count) + 1
        else:
            raise ValueError(kind)

    def _open(self, values: list[str]) -> None:
        number, invoked, start, deadline, cold, busy, request_id, arn, tracing = values
        attempt = self._attempt(request_id, number)
        deadline_ms, start_ns, busy_ns = _number(deadline), _number(start), _number(busy)
        attempt.invoke = r.Invoke(
            request_id=request_id,
            deadline_ms=None if deadline_ms is None else float(deadline_ms),
            invoked_arn=_text(arn),
            tracing=_text(tracing),
        )
        attempt.invoked_ns = _number(invoked)
        if start_ns is not None:
            attempt.start = r.Start(time_ns=start_ns, request_id=request_id)
        attempt.waited = None if cold == _UNKNOWN else {"0": False, "1": True}[cold]
        if busy_ns is not None:
            run = InitRun(None, restore=False)
            run.start = r.InitStart(time_ns=busy_ns, restore=False)
            run.sent = run.waited = True
            attempt.runs = [run]

    def _ended(self, number: str, end: str, request_id: str) -> None:
        attempt = self._attempt(request_id, number)
        end_ns = _number(end)
        if end_ns is None:
            raise ValueError(end)
        attempt.done = r.RuntimeDone(time_ns=end_ns, request_id=request_id, spans=())
        attempt.sent = attempt.closed = True

    def _count(self, signal: str, sequence: str, total: str, dropped: str) -> None:
        """The larger of two: they only grow, and two threads may have written them in either order."""
        known = self.remembered.counts.setdefault(signal, Counts())
        if len(self.remembered.counts) > _SIGNALS:
            raise ValueError(signal)
        known.sequence = max(known.sequence, int(sequence))
        known.total = max(known.total, int(total))
        known.dropped = max(known.dropped, int(dropped))

    def _attempt(self, request_id: str, number: str) -> Attempt:
        if request_id == _UNKNOWN:
            raise ValueError(request_id)
        key = request_id, int(number)
        if key not in self.attempts:
            self.attempts[key] = Attempt(*key)
        return self.attempts[key]


def _exactly(values: list[str], count: int) -> list[str]:
    if len(values) != count or "" in values:
        raise ValueError(values)
    return values


def _number(field: str) -> int | None:
    return None if field == _UNKNOWN else int(field)


def _text(field: str) -> str | None:
    return None if field == _UNKNOWN else field
