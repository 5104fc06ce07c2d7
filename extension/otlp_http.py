"""Exports by OTLP/HTTP: one connection to the collector, or to the proxy before it."""

from __future__ import annotations

from extension.delivery import judge
from extension.http_client import Connection, request_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from extension.delivery import Verdict
    from extension.http_client import StreamSocket
    from extension.settings import ExportSettings


class HttpConnection:
    """A connection to the collector. Its twin is :class:`extension.otlp_grpc.GrpcConnection`.

    Attributes:
        reusable: whether another export may follow.
    """

    __slots__ = ("_authority", "_connection", "_more", "_target", "reusable")
    _more: tuple[tuple[str, str], ...]

    def __init__(self, sock: StreamSocket, settings: ExportSettings) -> None:
        endpoint, proxy = settings.endpoint, settings.proxy
        self._connection = Connection(sock)
        self._authority = endpoint.authority
        self._target, self._more = endpoint.path, ()
        if proxy is not None and endpoint.scheme == "http":
            self._target, self._more = str(endpoint), proxy.headers
        self.reusable = True

    def post(self, body: bytes, headers: tuple[tuple[str, str], ...], deadline: float) -> Verdict:
        """Send one export.

        Raises:
            HttpError: there was no answer.
        """
        request = request_bytes("POST", self._target, self._authority, (*headers, *self._more), body)
        answer = self._connection.exchange(request, deadline)
        self.reusable = answer.keep_alive
        return judge(answer)

    def close(self) -> None:
        """Close the connection; may be called again."""
        self._connection.close()
