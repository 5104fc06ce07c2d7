"""google.rpc.Status and RetryInfo, written by hand: two small messages do not need the package that defines them."""

from __future__ import annotations

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration

from collector.varint import field, varint


def retry_info(retry_after_s: float) -> Any:
    """RetryInfo (field 1: retry_delay), as Status carries it."""
    delay = Duration()
    delay.FromNanoseconds(round(retry_after_s * 1e9))
    return Any(
        type_url="type.googleapis.com/google.rpc.RetryInfo",
        value=field(1, delay.SerializeToString()),
    )


def status(code: int, message: str, retry_after_s: float | None = None) -> bytes:
    """google.rpc.Status as protobuf (1: code, 2: message, 3: details).

    Args:
        code: a gRPC status code.
        message: what is wrong.
        retry_after_s: where set, a RetryInfo is attached.
    """
    body = varint(1 << 3) + varint(code) + field(2, message.encode())
    if retry_after_s is not None:
        body += field(3, retry_info(retry_after_s).SerializeToString())
    return body


def status_json(code: int, message: str, retry_after_s: float | None = None) -> dict[str, object]:
    """The same as protobuf's JSON."""
    body: dict[str, object] = {"code": code, "message": message}
    if retry_after_s is not None:
        kind = retry_info(0).type_url
        body["details"] = [{"@type": kind, "retryDelay": f"{retry_after_s:g}s"}]
    return body
