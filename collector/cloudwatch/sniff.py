"""Which format a record has. Asked of every record: after a stream's format was changed, both arrive for a while."""

from __future__ import annotations

from typing import Final

from collector.cloudwatch import json_format, opentelemetry
from collector.cloudwatch.point import Fault, Reading, Reason

_BRACE: Final = b"{"


def read_record(data: bytes) -> Reading:
    """The points of one record of a delivery, and what of it is none. Raises nothing, whatever the bytes are.

    An opening brace is JSON's first byte, and also the length of a message of 123 bytes, so JSON is tried first and
    believed only where it finds an object with a ``metric_name``. What begins otherwise is tried the other way round.
    """
    stripped = data.strip()
    if not stripped:
        return Reading()
    begins_as_json = stripped.startswith(_BRACE)
    as_json = json_format.read(data) if begins_as_json else Reading()
    if as_json.messages:
        return as_json
    as_messages = opentelemetry.read(data)
    if as_messages.messages or (opentelemetry.begins_as_message(data) and not as_json.faults):
        return as_messages
    as_json = as_json if begins_as_json else json_format.read(data)
    if as_json.messages or (begins_as_json and as_json.faults):
        return as_json
    return Reading(faults=[Fault(Reason.UNKNOWN_FORMAT, "neither JSON nor OpenTelemetry 1.0", data)])
