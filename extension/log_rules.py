"""Which of the function's log lines leave the sandbox, and what of them: redaction, size and rate."""

from __future__ import annotations

from extension.logs import Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

REDACTED = "***"
_BURST_S = 10.0
_MAX_DEPTH = 16


class RateLimit:
    """So many per second on average, and ten seconds' worth at once."""

    __slots__ = ("_last_s", "_left", "_per_s")

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._left = per_s * _BURST_S
        self._last_s: float | None = None

    def allows(self, now_s: float) -> bool:
        """Whether one more may pass now (wall clock, which goes on while a sandbox is frozen)."""
        if self._last_s is not None and now_s > self._last_s:
            self._left = min(self._left + (now_s - self._last_s) * self._per_s, self._per_s * _BURST_S)
        self._last_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


class LogRules:
    """What is done to each line before it is queued.

    Attributes:
        limited: how many lines were left out because there were too many.
    """

    __slots__ = ("_line_characters", "_rate", "_redact", "limited")

    def __init__(self, patterns: str, line_characters: int, per_second: int, say: Callable[[str, str], None]) -> None:
        """`patterns`: one regular expression per line. One that is none costs a line to `say`, and all log bodies.

        A pattern is there to keep a secret in. Where it cannot be used, to send the lines as they are would be wrong.
        """
        self._line_characters = line_characters
        self._rate = RateLimit(per_second) if per_second else None
        self._redact = _redactor(patterns, say) if patterns.strip() else None
        self.limited = 0

    def redacted(self, text: str) -> str:
        """Another text that leaves the sandbox, by the same patterns."""
        return text if self._redact is None else self._redact(text)

    def applied(self, line: Line, now_s: float) -> Line | None:
        """The line as it may leave; None where it may not."""
        if self._rate is not None and not self._rate.allows(now_s):
            self.limited += 1
            return None
        if self._redact is not None:
            line.body = _texts(line.body, self._redact)
            line.fields = {key: _texts(value, self._redact) for key, value in line.fields.items()}
        body = line.body
        if isinstance(body, str) and len(body) > self._line_characters:
            line.cut_characters += len(body) - self._line_characters
            line.body = body[: self._line_characters]
        return line


def _redactor(patterns: str, say: Callable[[str, str], None]) -> Callable[[str], str]:
    import re  # noqa: PLC0415 - 9 ms of processor time, for those who have something to hide

    compiled: list[re.Pattern[str]] = []
    for number, pattern in enumerate(patterns.splitlines(), 1):
        try:
            compiled += [re.compile(pattern.strip())] if pattern.strip() else []
        except (re.error, RecursionError, OverflowError) as error:
            say("redact", f"LAMBDASCOPE_LOGS_REDACT: line {number} is no pattern ({error}): all log text is left out")
            return _nothing

    def redact(text: str) -> str:
        for one in compiled:
            text = one.sub(REDACTED, text)
        return text

    return redact


def _nothing(_text: str) -> str:
    return REDACTED


def _texts(value: object, change: Callable[[str], str], depth: int = _MAX_DEPTH) -> object:
    """`value` with each text in it changed, keys left alone."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _texts(item, change, depth - 1) for key, item in value.items()} if depth else REDACTED
    if isinstance(value, list):
        return [_texts(item, change, depth - 1) for item in value] if depth else REDACTED
    return value
