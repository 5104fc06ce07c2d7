"""The function's log lines as OTLP log records. Pure.

Where the function's log format is JSON the platform hands over an object with ``timestamp``, ``level``, ``requestId``
and ``message``. Where it is text, the loggers of the managed Node.js and Python runtimes still write the request id and
the level in fields of their own, with tabs between them.
"""

from __future__ import annotations

from extension.records import FunctionLog, Record
from extension.timestamps import parse_time_ns

_MAX_ATTRIBUTES = 64
_REQUEST_ID_LENGTH = 36
_SEVERITIES = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "WARNING": 13, "ERROR": 17, "FATAL": 21, "CRITICAL": 21}
"""OTLP's severity numbers (opentelemetry/proto/logs/v1/logs.proto)."""
_KNOWN_KEYS = frozenset({"timestamp", "level", "requestId", "message"})


class LogRecord(Record):
    """One log record; the ids are empty where it belongs to no invocation."""

    __slots__ = (
        "attributes",
        "body",
        "observed_ns",
        "severity_number",
        "severity_text",
        "span_id",
        "time_ns",
        "trace_id",
    )
    time_ns: int
    observed_ns: int
    severity_number: int
    severity_text: str
    body: object
    attributes: dict[str, object]
    trace_id: bytes
    span_id: bytes


class Line:
    """What a log line says of itself.

    Attributes:
        time_ns: when it was written.
        level: empty where it has none.
        request_id: empty where it names none.
        body: text, or an object without a message.
        fields: what else an object had.
        cut_characters: how much of it was left out.
    """

    __slots__ = ("body", "cut_characters", "fields", "level", "request_id", "time_ns")

    def __init__(
        self, time_ns: int, body: object, level: str = "", request_id: str = "", fields: dict[str, object] | None = None
    ) -> None:
        self.time_ns = time_ns
        self.body = body
        self.level = level
        self.request_id = request_id
        self.fields = fields or {}
        self.cut_characters = 0

    @property
    def severity_number(self) -> int:
        """0 where the level is none that OTLP has a number for."""
        return _SEVERITIES.get(self.level.upper(), 0)


def read_line(log: FunctionLog) -> Line:
    """Read a log line, whichever of its forms it has."""
    if isinstance(log.body, dict):
        return _read_object(log.time_ns, log.body)
    text = log.body if isinstance(log.body, str) else "" if log.body is None else str(log.body)
    return _read_text(log.time_ns, text.rstrip("\r\n"))


def _read_object(time_ns: int, entry: dict[str, object]) -> Line:
    level, request_id, message = entry.get("level"), entry.get("requestId"), entry.get("message")
    if message is None:
        return Line(parse_time_ns(entry.get("timestamp")) or time_ns, entry, _text(level), _text(request_id))
    rest = [(key, value) for key, value in entry.items() if key not in _KNOWN_KEYS]
    return Line(
        parse_time_ns(entry.get("timestamp")) or time_ns,
        message,
        _text(level),
        _text(request_id),
        dict(rest[:_MAX_ATTRIBUTES]),
    )


def _read_text(time_ns: int, text: str) -> Line:
    """A line of text; its level and request id where a runtime's logger put them there."""
    fields = text.split("\t", 3)
    if len(fields) == 4:
        if fields[0].startswith("[") and fields[0].endswith("]") and len(fields[2]) == _REQUEST_ID_LENGTH:
            return Line(time_ns, text, fields[0][1:-1], fields[2])  # Python: [LEVEL] time id message
        if len(fields[1]) == _REQUEST_ID_LENGTH and fields[2].upper() in _SEVERITIES:
            return Line(time_ns, text, fields[2], fields[1])  # Node.js: time id LEVEL message
    return Line(time_ns, text)


def _text(value: object) -> str:
    return value[:64] if isinstance(value, str) else ""
