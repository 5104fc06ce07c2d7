"""How an attempt ended: as the platform says, or the likeliest end where it will say no more. Pure."""

from __future__ import annotations

from extension.span_builder import Ending
from extension.timestamps import NS_PER_MS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from extension.attempts import Attempt

_ESTIMATED_STATUS = {"timeout": "timeout", "failure": "error"}
"""By the reason of the SHUTDOWN that ended it."""


def told_ending(attempt: Attempt, start_ns: int, *, of_managed: bool) -> Ending:
    """How an attempt ended by ``runtimeDone`` or else by its report, one of which there is.

    `of_managed`: on Managed Instances the report is all there is, and its time no estimate.
    """
    done, report = attempt.done, attempt.report
    if done is not None:
        end_ns = done.time_ns if done.duration_ms is None else start_ns + round(done.duration_ms * NS_PER_MS)
        return Ending(end_ns, done.status, done.error_type, estimated=False)
    assert report is not None
    end_ns = report.time_ns if report.duration_ms is None else start_ns + round(report.duration_ms * NS_PER_MS)
    return Ending(end_ns, report.status, report.error_type, estimated=not of_managed)


def likely_ending(attempt: Attempt, start_ns: int, reason: str, at_ns: int) -> Ending:
    """How an attempt ended of which nothing more was heard until `at_ns`, when the sandbox went for `reason`."""
    deadline_ms = attempt.invoke.deadline_ms if attempt.invoke else None
    end_ns = min(at_ns, attempt.followed_ns or at_ns)
    if deadline_ms is not None:
        end_ns = min(end_ns, round(deadline_ms * NS_PER_MS))
    status = _ESTIMATED_STATUS.get(attempt.reset or reason)
    return Ending(max(start_ns, end_ns), status, None, estimated=True)


def likely_reason(attempt: Attempt, now_ns: int) -> str:
    """Why a process was ended that did not hear of a SHUTDOWN: an invocation past its deadline is one reason."""
    deadline_ms = attempt.invoke.deadline_ms if attempt.invoke else None
    return "timeout" if deadline_ms is not None and deadline_ms * NS_PER_MS <= now_ns else "failure"
