"""Exports by OTLP/gRPC: the wire of gRPC over HTTP/2, and what its answers mean. Loaded only where it is chosen.

Sources: "gRPC over HTTP2", "HTTP to gRPC Status Code Mapping" and the OTLP specification, "OTLP/gRPC Response".
"""

from __future__ import annotations

from time import monotonic

from extension.delivery import ACCEPTED, LONGEST_RETRY_AFTER_S, REFUSED, RETRY, Verdict, partial_success
from extension.http2 import Http2Connection
from extension.protobuf import Fields
from extension.url import percent_decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from extension.http2 import Answer
    from extension.http_client import StreamSocket
    from extension.settings import ExportSettings

_OK, _CANCELLED, _UNKNOWN, _DEADLINE_EXCEEDED, _PERMISSION_DENIED = 0, 1, 2, 4, 7
_RESOURCE_EXHAUSTED, _ABORTED, _OUT_OF_RANGE, _UNIMPLEMENTED = 8, 10, 11, 12
_INTERNAL, _UNAVAILABLE, _DATA_LOSS, _UNAUTHENTICATED = 13, 14, 15, 16
_RETRYABLE = frozenset(
    {_CANCELLED, _DEADLINE_EXCEEDED, _ABORTED, _OUT_OF_RANGE, _UNAVAILABLE, _DATA_LOSS}
)  # and RESOURCE_EXHAUSTED where the server says when
_OF_HTTP = {
    "400": _INTERNAL, "401": _UNAUTHENTICATED, "403": _PERMISSION_DENIED, "404": _UNIMPLEMENTED,
    "429": _UNAVAILABLE, "502": _UNAVAILABLE, "503": _UNAVAILABLE, "504": _UNAVAILABLE,
}  # fmt: skip
_NAMES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
_RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"
_OF_HTTP_ONLY = frozenset({"content-type", "content-encoding", "user-agent"})
_LONGEST_MESSAGE = 200


class GrpcConnection:
    """A connection to the collector. Its twin is :class:`extension.otlp_http.HttpConnection`."""

    __slots__ = ("_connection", "_settings")

    def __init__(self, sock: StreamSocket, settings: ExportSettings) -> None:
        self._connection = Http2Connection(sock)
        self._settings = settings

    @property
    def reusable(self) -> bool:
        """Whether another export may follow."""
        return self._connection.reusable

    def post(self, body: bytes, headers: tuple[tuple[str, str], ...], deadline: float) -> Verdict:
        """Send one export; `headers` are those of OTLP/HTTP, of which gRPC has some in other words.

        Raises:
            HttpError: there was no answer.
        """
        given = {name.lower(): value for name, value in headers}
        gzip = given.get("content-encoding", "") == "gzip"
        endpoint = self._settings.endpoint
        sent = [
            (":method", "POST"),
            (":scheme", endpoint.scheme),
            (":path", endpoint.path),
            (":authority", endpoint.authority),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", given.get("user-agent", "lambdascope")),
            ("grpc-timeout", f"{max(1, int((deadline - monotonic()) * 1000))}m"),
        ]
        if gzip:
            sent.append(("grpc-encoding", "gzip"))
        sent += [(name, value) for name, value in given.items() if name not in _OF_HTTP_ONLY]
        message = bytes((1 if gzip else 0,)) + len(body).to_bytes(4, "big") + body
        return judge(self._connection.exchange(sent, message, deadline))

    def close(self) -> None:
        """Close the connection; may be called again."""
        self._connection.close()


def judge(answer: Answer) -> Verdict:
    """Read the collector's answer."""
    headers = answer.headers
    code = _status(headers)
    if code == _OK:
        rejected, message = partial_success(_message(answer))
        return Verdict(ACCEPTED, message, rejected=rejected)
    said = percent_decode(headers.get("grpc-message", ""))[:_LONGEST_MESSAGE]
    reason = f"gRPC {_NAMES[code] if code < len(_NAMES) else code}" + (f": {said}" if said else "")
    retry_after_s = _retry_after_s(headers.get("grpc-status-details-bin", ""))
    if code in _RETRYABLE or (code == _RESOURCE_EXHAUSTED and retry_after_s is not None):
        return Verdict(RETRY, reason, retry_after_s=retry_after_s or 0.0)
    return Verdict(REFUSED, reason, unauthenticated=code in {_UNAUTHENTICATED, _PERMISSION_DENIED})


def _status(headers: Mapping[str, str]) -> int:
    said = headers.get("grpc-status", "")
    if said.isascii() and said.isdigit():
        return int(said[:4])
    status = headers.get(":status", "")
    return _UNKNOWN if status == "200" else _OF_HTTP.get(status, _UNKNOWN)


def _message(answer: Answer) -> bytes:
    """The first message of the answer; none where it is compressed, which we did not offer."""
    body = answer.body
    return body[5 : 5 + int.from_bytes(body[1:5], "big")] if len(body) >= 5 and body[0] == 0 else b""


def _retry_after_s(details: str) -> float | None:
    """Seconds of a google.rpc.RetryInfo within a google.rpc.Status; None where there is none."""
    from binascii import Error, a2b_base64  # noqa: PLC0415 - for servers that refuse

    try:
        status = a2b_base64(details + "=" * (-len(details) % 4))
        for number, detail in Fields(status):
            if number == 3 and isinstance(detail, bytes):
                any_of = dict(Fields(detail))
                value = any_of.get(2)
                if any_of.get(1) == _RETRY_INFO and isinstance(value, bytes):
                    return _duration_s(dict(Fields(value)).get(1))
    except (Error, ValueError):
        return None
    return None


def _duration_s(duration: int | bytes | None) -> float:
    parts = dict(Fields(duration)) if isinstance(duration, bytes) else {}
    seconds, nanos = parts.get(1, 0), parts.get(2, 0)
    total = (seconds if isinstance(seconds, int) else 0) + (nanos if isinstance(nanos, int) else 0) / 1e9
    return min(max(total, 0.0), LONGEST_RETRY_AFTER_S)
