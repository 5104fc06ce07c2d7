"""Requests as they came, for ClickHouse to decode: Protobuf into the tables of ``0006_otlp_decoding.sql``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collector.otlp.signals import Signal
from collector.varint import varint

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

SCHEMA_PATH: Final = Path(str(resources.files("collector") / "otlp" / "stored.proto"))

FORMAT: Final = "Protobuf"
FORMAT_SETTINGS: Final = {"input_format_protobuf_oneof_presence": 1}


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a signal's requests go in.

    Attributes:
        table: what takes them.
        message: their type in ``stored.proto``.
    """

    table: str
    message: str


ENTRIES: Final = {
    Signal.TRACES: Entry("otlp_traces", "Traces"),
    Signal.LOGS: Entry("otlp_logs", "Logs"),
}
"""The signals that ClickHouse decodes. Points of metrics, which are few, are decoded in Python."""


def delimited(bodies: Sequence[bytes]) -> Generator[bytes, None, None]:
    """The requests one after the other, each behind its length as a varint."""
    for body in bodies:
        yield varint(len(body))
        yield body


def local_schema(entry: Entry) -> dict[str, str]:
    """Settings that name the message to an engine in this process, which reads the file."""
    return {"format_schema": f"{SCHEMA_PATH}:{entry.message}"}


def sent_schema(entry: Entry) -> dict[str, str]:
    """Settings that tell the message to a server, which has no such file."""
    return {
        "format_schema_source": "string",
        "format_schema": SCHEMA_PATH.read_text(encoding="utf-8"),
        "format_schema_message_name": entry.message,
    }
