"""One connection to the collector, kept alive between exports and renewed after a thaw.

Lambda stops a sandbox between invocations, also in the middle of an export. When it goes on, minutes later, the other
side may have closed the connection, or a machine between them may have forgotten it without a word.
"""

from __future__ import annotations

from _socket import SHUT_RDWR, socket
from time import monotonic, time

from extension.errors import ConnectionLost, HttpError
from extension.http_client import connect
from extension.otlp_http import HttpConnection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from extension.delivery import Verdict
    from extension.otlp_grpc import GrpcConnection
    from extension.settings import ExportSettings

_CONNECT_TIMEOUT_S = 1.0
"""A function in a VPC without a way out never gets an answer to its SYN; where there is one, it comes much sooner."""
_REUSE_WITHIN_S = 25.0
"""Load balancers close what is idle for 30 s and more."""
_FROZEN_S = 2.0
"""A wait that took this much longer than it was allowed to was not a wait: the sandbox stood still."""


class Transport:
    """Sends requests to one endpoint. For one thread, but for :meth:`interrupt`."""

    __slots__ = ("_connection", "_interrupted", "_last_used", "_settings", "_since", "_sock")

    def __init__(self, settings: ExportSettings) -> None:
        self._settings = settings
        self._connection: HttpConnection | GrpcConnection | None = None
        self._sock: socket | None = None
        self._interrupted = False
        self._last_used = 0.0
        self._since = 0.0

    def post(self, body: bytes, headers: tuple[tuple[str, str], ...]) -> Verdict:
        """Send one export, a second time over a new connection where the first try met a stale one.

        Raises:
            HttpError: there was no answer.
        """
        if time() - self._last_used > _REUSE_WITHIN_S:
            self.close()
        reused = self._connection is not None
        self._since = time()
        try:
            return self._exchange(body, headers)
        except HttpError as error:
            self.close()
            stale = reused and isinstance(error, ConnectionLost)
            frozen = time() - self._since > self._settings.timeout_s + _CONNECT_TIMEOUT_S + _FROZEN_S
            if not (stale or frozen or self._interrupted):
                raise
            self._interrupted = False
            self._since = time()
            return self._exchange(body, headers)
        finally:
            self._since = 0.0
            self._interrupted = False

    def interrupt(self, older_than_s: float) -> None:
        """Break off an exchange that has been going on for longer than this: it was frozen, and is sent anew.

        May be called by another thread.
        """
        sock, since = self._sock, self._since
        if sock is not None and since and time() - since > older_than_s:
            self._interrupted = True
            try:
                socket.shutdown(sock, SHUT_RDWR)  # not a TLS socket's own, which would touch what the other thread uses
            except OSError:
                return

    def close(self) -> None:
        """Close the connection; the next export opens a new one."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._sock = None

    def _exchange(self, body: bytes, headers: tuple[tuple[str, str], ...]) -> Verdict:
        deadline = monotonic() + self._settings.timeout_s
        connection = self._connection or self._connect(deadline)
        try:
            verdict = connection.post(body, headers, deadline)
        except HttpError:
            self.close()
            raise
        self._last_used = time()
        if not connection.reusable:
            self.close()
        return verdict

    def _connect(self, deadline: float) -> HttpConnection | GrpcConnection:
        settings, endpoint = self._settings, self._settings.endpoint
        timeout_s = min(_CONNECT_TIMEOUT_S, settings.timeout_s)
        first = settings.proxy or endpoint
        sock = connect(first.host, first.port, timeout_s)
        self._sock = sock
        if settings.proxy is not None and (endpoint.scheme == "https" or settings.grpc):
            from extension.proxy import open_tunnel  # noqa: PLC0415 - for those who need one

            open_tunnel(sock, endpoint, settings.proxy, deadline)
        stream: socket = sock
        if endpoint.scheme == "https":
            from extension import tls  # noqa: PLC0415 - 18 ms of imports, for those who need them

            protocol = "h2" if settings.grpc else "http/1.1"
            # The descriptor moves: what interrupts an export that was frozen in the handshake must know where it is.
            self._sock = stream = tls.wrap(sock, endpoint.host, settings.certificate, protocol)
            tls.shake_hands(stream, endpoint.host, deadline - monotonic())
        if settings.grpc:
            from extension.otlp_grpc import GrpcConnection  # noqa: PLC0415 - for those who chose it

            self._connection = GrpcConnection(stream, settings)
        else:
            self._connection = HttpConnection(stream, settings)
        return self._connection
