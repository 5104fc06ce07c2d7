"""What of an event is recorded itself, where that was asked for: its beginning, with what looks secret masked."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from extension.event_facts import Captured

_MASK = "***"
_WORDS = "authorization|cookie|password|passwd|pwd|secret|token|api[-_]?key|credential|private[-_]?key|session[-_]?id"


def payload_rule(most_characters: int, redacted: Callable[[str], str]) -> Callable[[Captured], str | None]:
    """How an event becomes what is recorded: nothing where `most_characters` is 0.

    Masked is the value of each member whose name has a word in it such as ``password``, at any depth and in JSON inside
    of texts too, and then what `redacted`, the patterns for log lines, finds. Masking comes before cutting, and takes a
    value whose end is not there, so that no piece of a secret is left at the end.
    """
    if most_characters == 0:
        return lambda _captured: None
    import re  # noqa: PLC0415 - 10 ms, for those who asked for it

    name = rf"""[^"\\]*?(?:{_WORDS})[^"\\]*?"""
    plain = re.compile(
        rf"""("{name}"\s*:\s*)(?:"(?:[^"\\]|\\.)*(?:"|\\?\Z)|\[[^\]]*(?:\]|\Z)|[^\s,\]}}"\[{{]+)""",
        re.IGNORECASE | re.DOTALL,
    )
    inside = re.compile(
        rf"""((?P<quote>\\+"){name}(?P=quote)\s*:\s*)(?:(?P=quote)(?:(?!(?<!\\)(?P=quote)).)*(?:(?P=quote)|\Z)|[^\s,\]}}"\[{{\\]+)""",
        re.IGNORECASE | re.DOTALL,
    )

    def rule(captured: Captured) -> str | None:
        text = plain.sub(rf'\1"{_MASK}"', captured.prefix)
        text = inside.sub(rf"\1\g<quote>{_MASK}\g<quote>", text)
        return redacted(text)[:most_characters]

    return rule
