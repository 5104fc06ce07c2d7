"""A connection on 4317: exports are answered here, anything else is the gRPC library's.

Until its first request is known, nothing is said on a connection that the library would not stand by as well. If that
request is no plain export, the connection, with all that was read, becomes one of the library's and stays so. Where
such a request comes later, GOAWAY tells the client that it was not looked at (RFC 9113, 6.8): the client sends it again
on another connection, where it is the first; and from then on this client's connections are the library's.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from collector.errors import Http2Error, MalformedError, RequestError
from collector.receiver import call, frames
from collector.receiver.call import Call, Foreign, HeaderBlocks
from collector.receiver.compression import gunzip_if_gzip
from collector.receiver.connections import IDLE_S, REQUEST_S, STALLED_S, close
from collector.receiver.http import Refusal
from collector.receiver.http2 import Http2
from collector.receiver.intake import Admission, Incoming
from collector.spool.record import ExportId

if TYPE_CHECKING:
    from collector.receiver.access import Credential, Gate
    from collector.receiver.connections import Connections
    from collector.receiver.intake import Intake
    from collector.receiver.relay import Client, Library

_MOST_HELD_BYTES: Final = 64 << 10
"""Of a connection whose first request is not known yet."""
_PREFIX_BYTES: Final = 5
"""Before a message: whether it is compressed, and its size ("gRPC over HTTP2", Length-Prefixed-Message)."""


@dataclass(slots=True)
class _Export:
    """One that is coming in, or is being made durable.

    Attributes:
        began_s, read_s: when its headers and the last piece of it came.
        body: what has come of the message: the piece itself where it is one, as it nearly always is. More are put
            together as they come: a client may send two bytes at a time, of which each pair would be an object.
        size: of what has come of the message with its prefix.
        whole: what it is to be; 0 until the prefix is here.
        taken: whether the intake has it.
    """

    call: Call
    credential: Credential
    admission: Admission
    began_s: float
    read_s: float
    body: bytes | bytearray = b""
    size: int = 0
    whole: int = 0
    taken: bool = False

    def take(self, piece: bytes) -> None:
        """Another piece of the message."""
        if not self.body:
            self.body = piece
        elif isinstance(self.body, bytearray):
            self.body += piece
        else:
            self.body = bytearray(self.body) + piece


class ExportConnection(asyncio.Protocol):
    """One client."""

    def __init__(self, intake: Intake, gate: Gate, library: Library, all_: Connections) -> None:
        """``all_`` is where this connection is listed."""
        self._intake = intake
        self._gate = gate
        self._library = library
        self._all = all_
        self._transport: asyncio.Transport | None = None
        self._http2 = Http2[Call | Foreign](self, HeaderBlocks().read, call.MAX_BYTES)
        self._held: bytearray | None = bytearray()
        self._exports: dict[int, _Export] = {}
        self._reading = self._flushing = self._over = False
        self._paused_s: float | None = None
        self._read_s = self._quiet_s = self._left_s = 0.0

    # What asyncio calls ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._read_s = self._quiet_s = self._all.now_s()
        self._all.add(self)
        transport.write(self._http2.sent())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's
        """The client has gone, or was sent away. What the intake has goes its way."""
        self._all.discard(self)
        self._transport = None
        self._cut_unfinished()

    def data_received(self, data: bytes) -> None:
        """More bytes."""
        if self._over:
            return
        self._read_s = self._all.now_s()
        if self._held is not None:
            self._held += data
        self._reading = True
        try:
            self._http2.receive(data)
        except Http2Error as error:
            if error.code == frames.ENHANCE_YOUR_CALM and self._held is not None:
                self._hand_over(self._held)  # headers that are too large have an answer there, which says so
            else:
                self._fail(error)
        finally:
            self._reading = False
        if self._held is not None and len(self._held) > _MOST_HELD_BYTES:
            self._keep()
        self._flush()

    def eof_received(self) -> bool:
        """The client sends nothing more. Over TLS it then gets nothing more either."""
        self._cut_unfinished()
        if self._transport is None or not self._http2.streams or not self._transport.can_write_eof():
            self.close()
            return False
        self._http2.left = True
        return True

    def pause_writing(self) -> None:
        """The client does not read its answers: nor do we read its requests."""
        self._paused_s = self._all.now_s()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        self._paused_s = None
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # What HTTP/2 calls -----------------------------------------------------------------------------------------------

    def begin(self, stream: int, headers: Call | Foreign) -> None:
        """A request's headers are here."""
        if isinstance(headers, Foreign) or (self._held is not None and self._library.serves(self._client(headers))):
            self._pass_on(stream, headers)
            return
        if self._held is not None:
            self._keep()
        try:
            credential = self._gate.check(headers.authorization)
        except RequestError as error:
            self._refuse(stream, error)
            return
        # Only bytes that have come are held against the limit: who announces much and sends nothing holds nothing.
        self._exports[stream] = _Export(headers, credential, Admission(self._intake, 0), self._read_s, self._read_s)

    def add(self, stream: int, piece: bytes) -> None:
        """A piece of a request."""
        export = self._exports[stream]
        export.read_s = self._read_s
        export.size += len(piece)
        try:
            if not export.whole:
                begun = bytes(export.body) + piece
                if export.size < _PREFIX_BYTES:
                    export.body = begun
                    return
                piece, export.body = self._read_prefix(export, begun), b""
            if export.size > export.whole:
                raise MalformedError("more than one message in a call")
            export.admission.extend(len(piece))
        except RequestError as error:
            self._refuse(stream, error)
        else:
            export.take(piece)

    def _read_prefix(self, export: _Export, piece: bytes) -> bytes:
        """What follows the prefix."""
        if piece[0] > 1:
            raise MalformedError(f"a message that begins with {piece[0]}")
        length = int.from_bytes(piece[1:_PREFIX_BYTES], "big")
        self._intake.admit(length).release()
        export.whole = _PREFIX_BYTES + length
        return piece[_PREFIX_BYTES:]

    def end(self, stream: int) -> None:
        """A request is here as a whole."""
        export = self._exports[stream]
        try:
            if not export.whole or export.size != export.whole:
                raise MalformedError("a call without a whole message")
            incoming = self._incoming(export)
            self._intake.take(incoming, partial(self._kept, stream))
            export.taken = True
        except RequestError as error:
            self._refuse(stream, error)

    def _incoming(self, export: _Export) -> Incoming:
        body, export.body = bytes(export.body), b""
        plain = gunzip_if_gzip(body, self._intake.settings.max_decompressed_bytes)
        if plain is not body:
            export.admission.extend(len(plain))
        said = export.call
        export_id = ExportId.from_headers(said.instance, said.sequence, said.total, said.dropped)
        return Incoming(said.signal, plain, export_id, export.credential)

    def reset(self, stream: int) -> bool:
        """The client wants no answer any more. What the intake has may be stored all the same."""
        export = self._exports.get(stream)
        if export is not None and export.taken:
            return False
        self._forget(stream)
        return True

    # Answering -------------------------------------------------------------------------------------------------------

    def _kept(self, stream: int, failure: RequestError | None) -> None:
        """A request is durable, or is not."""
        if failure is not None:
            self._refuse(stream, failure)
        else:
            self._forget(stream)
            self._http2.answer(stream, call.ACCEPTED)
        if not self._reading and not self._flushing:
            # Not at once: what became durable together is answered together.
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _refuse(self, stream: int, error: RequestError) -> None:
        self._intake.refused(error)
        self._forget(stream)
        refusal = Refusal.of(error)
        self._http2.answer(stream, call.refusal(refusal.code, str(error), refusal.body))

    def _forget(self, stream: int) -> None:
        export = self._exports.pop(stream, None)
        if export is not None:
            export.admission.release()

    def _flush(self) -> None:
        self._flushing = False
        transport = self._transport
        if transport is None or transport.is_closing() or self._held is not None:
            return
        if out := self._http2.sent():
            transport.write(out)
        if (self._http2.left or self._over) and not self._http2.streams:
            close(transport)

    # Whose the connection is -----------------------------------------------------------------------------------------

    def _client(self, headers: Call | Foreign) -> Client:
        peer = self._transport.get_extra_info("peername") if self._transport is not None else None
        return (str(peer[0]) if peer else "", headers.user_agent)

    def _keep(self) -> None:
        """It is ours."""
        self._held = None
        self._http2.welcome()

    def _pass_on(self, stream: int, headers: Call | Foreign) -> None:
        """A request that is the library's."""
        if isinstance(headers, Foreign) and not headers.is_text:
            raise Http2Error(frames.PROTOCOL_ERROR, "headers that are not ASCII")
        if self._held is None:
            self._library.remember(self._client(headers))
            self._leave(max(0, stream - 2))
            return
        self._hand_over(self._held)

    def _hand_over(self, held: bytearray) -> None:
        self._http2.halted = self._over = True
        transport, self._transport = self._transport, None
        assert transport is not None
        self._all.discard(self)
        self._library.take(transport, bytes(held))

    # Ending ----------------------------------------------------------------------------------------------------------

    @property
    def answering(self) -> bool:
        """Whether an answer is due."""
        return bool(self._http2.streams)

    def tend(self, now_s: float) -> None:
        """End what takes longer than it may."""
        transport = self._transport
        if transport is None:
            return
        self._http2.calm()
        self._cut_unfinished(now_s)
        if self._exports or not self._http2.amid:
            self._quiet_s = now_s
        stalled = now_s - self._read_s > STALLED_S
        if (self._paused_s is not None and now_s - self._paused_s > STALLED_S) or (self._http2.blocked and stalled):
            transport.abort()
        elif not self._http2.streams:
            self._tend_idle(now_s, stalled=stalled)
        self._flush()

    def _cut_unfinished(self, now_s: float | None = None) -> None:
        """Give up requests of which more is missing: all of them, or those that take too long."""
        for stream, export in list(self._exports.items()):
            late = now_s is None or now_s - export.read_s > STALLED_S or now_s - export.began_s > REQUEST_S
            if late and not export.taken:
                self._forget(stream)
                self._http2.cut(stream, frames.CANCEL)

    def _tend_idle(self, now_s: float, *, stalled: bool) -> None:
        if self._http2.leaving:
            if now_s - self._left_s > IDLE_S / 16:  # its last frames may have been on their way
                self.close()
        elif self._http2.amid and (stalled or now_s - self._quiet_s > REQUEST_S):
            self._fail(Http2Error(frames.NO_ERROR, "stalled"))
        elif now_s - self._read_s > IDLE_S:
            self._leave()
        elif self._held:
            self._keep()  # it waits for nothing but us

    def _leave(self, last: int | None = None) -> None:
        """Serve what has begun, and nothing else."""
        if self._held is not None:
            self._keep()
        self._left_s = self._all.now_s()
        self._http2.leave(self._http2.last if last is None else last)
        if not self._reading:
            self._flush()

    def leave(self) -> None:
        """The collector stops."""
        if self._transport is not None and not self._http2.leaving:
            self._leave()

    def close(self) -> None:
        """Send the client away."""
        if self._transport is not None:
            close(self._transport)

    def _fail(self, error: Http2Error) -> None:
        """Tell the client what it did wrong, and end the connection."""
        if self._held is not None:
            self._keep()
        self._over = True
        self._http2.leave(self._http2.last, error.code)
        if self._transport is not None:
            self._transport.write(self._http2.sent())
            close(self._transport)
