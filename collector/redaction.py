"""What is left out of telemetry, or covered in it, before it is kept. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

    from collector.otlp.signals import ExportRequest, Signal

COVER: Final = "***"


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a file.

    Attributes:
        drop: keys of attributes that are left out.
        cover: keys of attributes whose value becomes ``***``.
        patterns: what becomes ``***`` in any text: values of attributes, bodies of log records.
    """

    drop: re.Pattern[str] | None
    cover: re.Pattern[str] | None
    patterns: re.Pattern[str] | None

    def apply(self, signal: Signal, request: ExportRequest) -> bool:  # noqa: ARG002  # one walk does for all signals
        """Change the request in place; returns whether anything was changed."""
        return self._walk(request)

    def _walk(self, message: Any) -> bool:  # messages of all kinds
        changed = False
        for field, value in message.ListFields():
            if field.message_type is None:
                continue
            if field.message_type.name == "KeyValue":
                changed |= self._pairs(value)
            elif field.message_type.name == "AnyValue":
                changed |= self._value(value)
            else:
                for item in value if field.is_repeated else (value,):
                    changed |= self._walk(item)
        return changed

    def _pairs(self, pairs: Any) -> bool:  # a repeated field
        changed = False
        if self.drop is not None:
            kept: list[KeyValue] = [pair for pair in pairs if not self.drop.fullmatch(pair.key)]
            if len(kept) != len(pairs):
                changed = True
                copies = [type(pair).FromString(pair.SerializeToString()) for pair in kept]
                del pairs[:]
                pairs.extend(copies)
        for pair in pairs:
            if self.cover is not None and self.cover.fullmatch(pair.key):
                changed = True
                pair.value.Clear()
                pair.value.string_value = COVER
            else:
                changed |= self._value(pair.value)
        return changed

    def _value(self, value: AnyValue) -> bool:
        kind = value.WhichOneof("value")
        if kind == "string_value" and self.patterns is not None:
            text = self.patterns.sub(COVER, value.string_value)
            changed = text != value.string_value
            if changed:
                value.string_value = text
            return changed
        if kind == "array_value":
            return sum(map(self._value, value.array_value.values)) > 0  # all of them, not up to the first
        return self._pairs(value.kvlist_value.values) if kind == "kvlist_value" else False


def parse_rules(text: str) -> Rules:
    """The rules of a file: ``drop KEY``, ``cover KEY`` (with ``*`` and ``?``) or ``pattern REGEX`` on each line.

    Raises:
        ValueError: naming the line.
    """
    found: dict[str, list[str]] = {"drop": [], "cover": [], "pattern": []}
    for number, line in _lines(text):
        verb, _, what = line.partition(" ")
        what = what.strip()
        if verb not in found or not what:
            raise ValueError(f"line {number} is not drop KEY, cover KEY or pattern REGEX")
        if verb == "pattern":
            try:
                re.compile(what)
            except re.error as error:
                raise ValueError(f"line {number}: not a regular expression: {error}") from None
        found[verb].append(what if verb == "pattern" else translate(what))
    if not any(found.values()):
        raise ValueError("holds no rule")
    return Rules(*(_any_of(found[verb]) for verb in ("drop", "cover", "pattern")))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped


def _any_of(expressions: Iterable[str]) -> re.Pattern[str] | None:
    parts = [f"(?:{expression})" for expression in expressions]
    return re.compile("|".join(parts)) if parts else None
