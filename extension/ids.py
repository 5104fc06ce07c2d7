"""Trace and span ids: derived, so that a late piece joins its trace without any state (docs/span-model.md, "Ids")."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        from _sha2 import sha256  # Python 3.12 and later
    except ImportError:
        try:
            from _sha256 import sha256  # until 3.11
        except ImportError:
            from hashlib import sha256  # an interpreter without a SHA-256 of its own; costs 4 ms

TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8


class TraceHeader:
    """The X-Ray trace header of an invocation: ``Root=1-…;Parent=…;Sampled=1``.

    Attributes:
        trace_id: 16 bytes.
        parent_id: 8 bytes; empty where the header names none.
        sampled: what it says about sampling; None where it says nothing.
    """

    __slots__ = ("parent_id", "sampled", "trace_id")

    def __init__(self, trace_id: bytes, parent_id: bytes, *, sampled: bool | None) -> None:
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.sampled = sampled


_latest: tuple[str, TraceHeader | None] = ("", None)
"""The header that was read last: every span and log line of an invocation asks for the same."""


def parse_trace_header(value: str | None) -> TraceHeader | None:
    """Read an X-Ray trace header; None where it has no usable Root."""
    global _latest  # noqa: PLW0603 - one value that is replaced as a whole, so that threads cannot disagree
    if not value:
        return None
    text, header = _latest
    if text != value:
        header = _read_trace_header(value)
        _latest = value, header
    return header


def _read_trace_header(value: str) -> TraceHeader | None:
    fields = dict(part.strip().split("=", 1) for part in value.split(";") if "=" in part)
    version, _, rest = fields.get("Root", "").partition("-")
    trace_id = _hex(rest.replace("-", "", 1), TRACE_ID_BYTES)
    if version != "1" or not trace_id:
        return None
    sampled = {"1": True, "0": False}.get(fields.get("Sampled", ""))
    return TraceHeader(trace_id, _hex(fields.get("Parent", ""), SPAN_ID_BYTES), sampled=sampled)


_latest_request: tuple[str, bytes] = ("", b"")
"""The request whose trace was asked for last, for the same reason."""


def trace_id_of_request(request_id: str) -> bytes:
    """The trace of an invocation for which tracing gave none."""
    global _latest_request  # noqa: PLW0603 - as above
    text, trace_id = _latest_request
    if text != request_id or not trace_id:
        trace_id = _digest(request_id, TRACE_ID_BYTES)
        _latest_request = request_id, trace_id
    return trace_id


def trace_id_of_phase(instance_id: str, phase: str) -> bytes:
    """The trace of a phase that belongs to no invocation."""
    return _digest(f"{instance_id}/{phase}", TRACE_ID_BYTES)


def span_id_of_phase(instance_id: str, phase: str) -> bytes:
    """The span of a phase that belongs to no invocation."""
    return _digest(f"{instance_id}/{phase}", SPAN_ID_BYTES)


def span_id(request_id: str, instance_id: str, attempt: int, phase: str) -> bytes:
    """The span of one phase of one attempt of an invocation in one sandbox."""
    return _digest(f"{request_id}/{instance_id}/{attempt}/{phase}", SPAN_ID_BYTES)


def _digest(text: str, size: int) -> bytes:
    digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
    while not any(digest[:size]):  # the one value that is not a valid id
        digest = sha256(digest).digest()
    return digest[:size]


def _hex(text: str, size: int) -> bytes:
    """The bytes that `text` stands for; empty where it does not stand for a valid id of this size."""
    if len(text) != size * 2 or text.strip("0") == "":
        return b""
    try:
        return bytes.fromhex(text) if text.isalnum() else b""
    except ValueError:
        return b""
