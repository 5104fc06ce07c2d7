"""A connection on 4318: plain OTLP posts are answered here, anything else is handed to the HTTP library.

An acknowledgement costs less than a tenth of a millisecond of processor time, of which a general server and its
request objects would take more than all else together. So the shape that nearly every request has is served by this
protocol; at the first request of any other shape (JSON, chunked bodies, the pages, Firehose, anything odd) the
connection, with the bytes that were read, becomes one of the library's and stays so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from collector.errors import RequestError, TooLargeError
from collector.receiver import head
from collector.receiver.compression import decompress
from collector.receiver.connections import IDLE_S, REQUEST_S, STALLED_S, close
from collector.receiver.http import PROTOBUF, Refusal
from collector.receiver.intake import Admission, Incoming
from collector.spool.record import ExportId

if TYPE_CHECKING:
    from collector.receiver.access import Credential, Gate
    from collector.receiver.connections import Connections
    from collector.receiver.head import Head
    from collector.receiver.intake import Intake

_AHEAD_BYTES: Final = 64 << 10
"""What may be read of the next request while the answer to this one is due."""

_ACCEPTED: Final = (
    f"HTTP/1.1 200 OK\r\nContent-Type: {PROTOBUF}\r\nContent-Length: 0\r\nServer: lambdascope\r\nDate: ".encode()
)


@dataclass(slots=True)
class _Request:
    """A request whose body is coming in.

    Attributes:
        missing: bytes of the body that have not come.
        refusal: why it is refused; the rest of its body is read and forgotten.
    """

    head: Head
    missing: int
    pieces: list[bytes]
    credential: Credential | None = None
    admission: Admission | None = None
    refusal: RequestError | None = None


class OtlpConnection(asyncio.Protocol):
    """One client."""

    def __init__(self, intake: Intake, gate: Gate, library: Callable[[], asyncio.Protocol], all_: Connections) -> None:
        """``library`` makes a protocol of the HTTP library; ``all_`` is where this connection is listed."""
        self._intake = intake
        self._gate = gate
        self._library = library
        self._all = all_
        self._transport: asyncio.Transport | None = None
        self._ahead = b""
        self._request: _Request | None = None
        self._answering = False
        self._paused = False
        self._stuck_s: float | None = None
        self.read_s = self.began_s = 0.0

    # What asyncio calls ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.read_s = self.began_s = self._all.now_s()
        self._all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's
        """The client has gone, or was sent away."""
        self._all.discard(self)
        self._transport = None
        if self._request is not None and self._request.admission is not None and not self._answering:
            self._request.admission.release()
            self._request = None

    def data_received(self, data: bytes) -> None:
        """More bytes."""
        self.read_s = self._all.now_s()
        if self._answering:
            self._ahead += data
            if len(self._ahead) > _AHEAD_BYTES:
                self._stop_reading()
            return
        if self._request is None and not self._ahead:
            self.began_s = self.read_s
        self._consume(self._ahead + data if self._ahead else data)

    def pause_writing(self) -> None:
        """The client does not read its answers: nor do we read its requests."""
        self._stuck_s = self._all.now_s()
        self._stop_reading()

    def resume_writing(self) -> None:
        """It does again."""
        self._stuck_s = None
        self._read_on()
        if self._ahead:
            asyncio.get_running_loop().call_soon(self._go_on)

    def _stop_reading(self) -> None:
        if self._transport is not None and not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _read_on(self) -> None:
        if self._transport is not None and self._paused and self._stuck_s is None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    # Reading ---------------------------------------------------------------------------------------------------------

    def _consume(self, data: bytes) -> None:
        """Go on with the bytes that were not used yet, as far as they reach."""
        self._ahead = b""
        while data and not self._answering and self._stuck_s is None and self._transport is not None:
            if self._request is None:
                end = data.find(head.END)
                if end < 0 and len(data) <= head.MAX_BYTES:
                    break
                read = head.read(data[:end]) if 0 <= end <= head.MAX_BYTES else None
                if read is None:
                    self._hand_over(data)
                    return
                self._begin(read)
                data = data[end + len(head.END) :]
                if not read.length:
                    self._finish()
            else:
                data = self._take(self._request, data)
        self._ahead = data

    def _hand_over(self, data: bytes) -> None:
        transport, self._transport = self._transport, None
        assert transport is not None
        self._all.discard(self)
        protocol = self._library()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)

    def _begin(self, read: Head) -> None:
        self._request = request = _Request(read, read.length, [])
        try:
            request.credential = self._gate.check(read.authorization)
            # Only bytes that have come are held against the limit: who announces much and sends nothing holds nothing.
            self._intake.admit(read.length).release()
            request.admission = Admission(self._intake, 0)
        except RequestError as error:
            request.refusal = error

    def _take(self, request: _Request, data: bytes) -> bytes:
        """Take what belongs to the body; returns the rest."""
        piece, rest = (
            (data, b"") if len(data) <= request.missing else (data[: request.missing], data[request.missing :])
        )
        request.missing -= len(piece)
        if request.admission is not None:
            try:
                request.admission.extend(len(piece))
                request.pieces.append(piece)
            except RequestError as error:
                self._forget(request, error)
        if not request.missing:
            self._finish()
        return rest

    @staticmethod
    def _forget(request: _Request, error: RequestError) -> None:
        assert request.admission is not None
        request.admission.release()
        request.admission, request.refusal = None, error
        request.pieces.clear()

    # Answering -------------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """The request is here as a whole."""
        request = self._request
        assert request is not None
        self._answering = True
        if request.refusal is not None:
            self._refuse(request.refusal)
            return
        try:
            self._intake.take(self._incoming(request), self._kept)
        except RequestError as error:
            self._refuse(error)

    def _incoming(self, request: _Request) -> Incoming:
        assert request.admission is not None
        assert request.credential is not None
        read, limit = request.head, self._intake.settings.max_decompressed_bytes
        body = request.pieces[0] if len(request.pieces) == 1 else b"".join(request.pieces)
        request.pieces.clear()
        if read.encoding:
            body = decompress(body, read.encoding, limit)
            request.admission.extend(len(body))
        elif len(body) > limit:
            raise TooLargeError(f"the request is larger than {limit} bytes")
        export_id = ExportId.from_headers(read.instance, read.sequence, read.total, read.dropped)
        return Incoming(read.signal, body, export_id, request.credential)

    def _kept(self, failure: RequestError | None) -> None:
        """The request is durable, or is not."""
        if failure is not None:
            self._refuse(failure)
        else:
            self._answer(_ACCEPTED + self._all.date() + b"\r\n\r\n")

    def _refuse(self, error: RequestError) -> None:
        self._intake.refused(error)
        refusal = Refusal.of(error)
        fields = {
            "Content-Type": PROTOBUF,
            "Content-Length": str(len(refusal.body)),
            "Server": "lambdascope",
            "Date": self._all.date().decode(),
            **refusal.headers,
        }
        first = f"HTTP/1.1 {refusal.http_status} {HTTPStatus(refusal.http_status).phrase}\r\n"
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._answer(f"{first}{lines}\r\n".encode() + refusal.body)

    def _answer(self, data: bytes) -> None:
        request, self._request = self._request, None
        assert request is not None
        self._answering = False
        if request.admission is not None:
            request.admission.release()
        transport = self._transport
        if transport is None:
            return
        if request.head.close or self._all.closing:
            data = data.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        transport.write(data)
        if request.head.close or self._all.closing:
            close(transport)
            return
        self._read_on()
        self.read_s = self.began_s = self._all.now_s()
        if self._ahead:
            # Not at once: a client that sends many requests in one go must not hold up the others.
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        if not self._answering and self._transport is not None:
            self._consume(self._ahead)

    # Ending ----------------------------------------------------------------------------------------------------------

    @property
    def answering(self) -> bool:
        """Whether an answer is due."""
        return self._answering

    def tend(self, now_s: float) -> None:
        """Send a client away that takes longer than it may."""
        if self._stuck_s is not None and self._transport is not None and now_s - self._stuck_s > STALLED_S:
            self._transport.abort()
        if self._answering or self._stuck_s is not None:
            return
        if self._request is None and not self._ahead:
            overdue = now_s - self.read_s > IDLE_S
        else:
            overdue = now_s - self.read_s > STALLED_S or now_s - self.began_s > REQUEST_S
        if overdue:
            self.close()

    def leave(self) -> None:
        """Close, unless an answer is due, which then says so."""
        if not self._answering:
            self.close()

    def close(self) -> None:
        """Send the client away."""
        if self._transport is not None:
            close(self._transport)
