"""Which of the function's log lines leave the sandbox, and what of them: redaction, size and rate."""

from __future__ import annotations

from extension.logs import Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

REDACTED = "***"
_BURST_S = 10.0
_MAX_DEPTH = 16
_NUMBER_CHARACTERS = 8


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
        if isinstance(body, str) and not line.fields:  # most lines
            if len(body) > self._line_characters:
                line.cut_characters += len(body) - self._line_characters
                line.body = body[: self._line_characters]
            return line
        room = _Room(self._line_characters)
        line.body = room.fitted(body)
        line.fields = {str(key): room.fitted(value) for key, value in room.items(line.fields)}
        line.cut_characters += room.cut
        return line


class _Room:
    """How much of a structured line still fits: its texts and keys count, and a number as a short text.

    Attributes:
        cut: how many characters of it were left out.
    """

    __slots__ = ("_left", "cut")

    def __init__(self, characters: int) -> None:
        self._left = characters
        self.cut = 0

    def fitted(self, value: object, depth: int = _MAX_DEPTH) -> object:
        """What of a value fits."""
        if isinstance(value, str):
            kept = value[: self._left]
            self._left -= len(kept)
            self.cut += len(value) - len(kept)
            return kept
        if isinstance(value, dict):
            return (
                {key: self.fitted(item, depth - 1) for key, item in self.items(value)} if depth else self._text(value)
            )
        if isinstance(value, list):
            return (
                [self.fitted(item, depth - 1) for item in value if self._takes(1, item)] if depth else self._text(value)
            )
        self._left = max(0, self._left - _NUMBER_CHARACTERS)
        return value

    def _text(self, value: object) -> object:
        """What is nested too deep leaves as text."""
        return self.fitted(str(value))

    def items(self, mapping: dict[str, object]) -> list[tuple[str, object]]:
        """The members for whose names there is room."""
        return [(key, value) for key, value in mapping.items() if self._takes(len(key), value)]

    def _takes(self, characters: int, value: object) -> bool:
        if characters <= self._left:
            self._left -= characters
            return True
        self.cut += characters + (len(value) if isinstance(value, (str, list, dict)) else _NUMBER_CHARACTERS)
        return False


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
