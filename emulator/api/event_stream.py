"""AWS's event stream encoding (``application/vnd.amazon.eventstream``), as far as a streamed answer needs it.

Sources: "Event stream encoding" of the Amazon Transcribe developer guide; for the events, InvokeWithResponseStream of
the Lambda API reference.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any, Final

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"
_STRING: Final = 7
"""The type of a header's value."""


def payload_chunk(chunk: bytes) -> bytes:
    """A part of the answer."""
    return _message("PayloadChunk", "application/octet-stream", chunk)


def invoke_complete(error: bytes | None, log_tail: bytes | None) -> bytes:
    """The end of the answer, with what went wrong and with the log where that was asked for."""
    body: dict[str, Any] = {}
    if error is not None:
        body = {"ErrorCode": _error_type(error), "ErrorDetails": error.decode(errors="replace")}
    if log_tail is not None:
        body["LogResult"] = base64.b64encode(log_tail).decode()
    return _message("InvokeComplete", "application/json", json.dumps(body).encode())


def _error_type(error: bytes) -> str:
    try:
        return str(json.loads(error)["errorType"])
    except (ValueError, KeyError, TypeError):
        return "Unhandled"


def _message(event_type: str, content_type: str, payload: bytes) -> bytes:
    headers = b"".join(
        (
            _header(":event-type", event_type),
            _header(":content-type", content_type),
            _header(":message-type", "event"),
        )
    )
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + struct.pack("!BH", _STRING, len(value)) + value.encode()
