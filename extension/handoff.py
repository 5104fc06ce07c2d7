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
    """

    __slots__ = ("account_id", "api_fd", "identifier", "listener_fd", "port", "registered_ns", "stage", "start_ns")

    def __init__(self) -> None:
        self.stage = NONE
        self.api_fd: int | None = None
        self.listener_fd: int | None = None
        self.port = 0
        self.identifier = ""
        self.account_id = ""
        self.start_ns = time_ns()
        self.registered_ns = 0


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
    handoff.port = _number(fields.get("port")) or 0
    handoff.api_fd = _open_fd(fields.get("api"))
    handoff.listener_fd = _open_fd(fields.get("listener"))
    handoff.stage = _stage_that_holds(handoff, _STAGES.get(fields.get("stage", "")))
    return handoff


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
