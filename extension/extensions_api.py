"""The Extensions API and the subscription of the Telemetry API, as this extension uses them."""

from __future__ import annotations

import _socket
from time import monotonic, sleep

from extension import wire
from extension.errors import ApiRefused, ConnectError, ConnectionLost, HttpError
from extension.http_client import Connection, connect, request_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from extension.http_message import Message

_CALL_TIMEOUT_S = 5.0
_RETRY_AFTER_S = (0.2, 0.4, 0.9)
_ALL_EVENTS = b'{"events":["INVOKE","SHUTDOWN"]}'
_SHUTDOWN_ONLY = b'{"events":["SHUTDOWN"]}'


class ExtensionsApi:
    """A connection to AWS_LAMBDA_RUNTIME_API. For the one thread that runs the event loop.

    Attributes:
        identifier: of the registration; empty before it.
        registration: the answer's body, for whoever wants the account id.
    """

    __slots__ = ("_address", "_connection", "_host", "_pending", "identifier", "registration")

    def __init__(self, runtime_api: str, identifier: str = "") -> None:
        """`runtime_api`: ``host:port``, the value of AWS_LAMBDA_RUNTIME_API."""
        host, _, port = runtime_api.rpartition(":")
        self._address = (host, int(port)) if host and port.isdigit() else (runtime_api, 80)
        self._host = runtime_api
        self._connection: Connection | None = None
        self._pending = False
        self.identifier = identifier
        self.registration = b""

    def adopt(self, fd: int, *, next_is_pending: bool) -> None:
        """Go on with a socket that is connected already, maybe with a ``GET /next`` under way."""
        self._connection = Connection(_socket.socket(fileno=fd))
        self._pending = next_is_pending

    def register(self, *, shutdown_only: bool) -> None:
        """Register, for INVOKE too unless `shutdown_only` or the platform does not allow it.

        Raises:
            ApiRefused: the platform does not want this extension.
            HttpError: it could not be reached.
        """
        answer = self._register(_SHUTDOWN_ONLY if shutdown_only else _ALL_EVENTS)
        if answer.status == 403 and not shutdown_only and b"InvalidEventType" in answer.body:
            answer = self._register(_SHUTDOWN_ONLY)  # managed instances, of which the environment did not tell
        _check("register", answer)
        self.identifier = answer.headers.get(wire.IDENTIFIER_HEADER.lower(), "")
        self.registration = answer.body
        if not self.identifier:
            raise ApiRefused("register", answer.status, f"no {wire.IDENTIFIER_HEADER} in the answer")

    def _register(self, body: bytes) -> Message:
        headers = ((wire.NAME_HEADER, wire.EXTENSION_NAME), (wire.FEATURE_HEADER, "accountId"))
        return self._call("POST", wire.REGISTER_PATH, headers, body)

    def subscribe(self, port: int, *, logs: bool) -> None:
        """Have telemetry delivered to the listener at `port`.

        Raises:
            ApiRefused, HttpError: there will be none.
        """
        answer = None
        for version in wire.SCHEMA_VERSIONS:
            body = subscription_body(version, port, logs=logs)
            answer = self._call("PUT", wire.TELEMETRY_PATH, self._identity(), body)
            if answer.status != 400:
                break
        if answer is None or answer.status != 200:  # 202: an emulator without telemetry
            raise ApiRefused("telemetry subscription", answer.status if answer else 0, _excerpt(answer))

    def ask_next(self) -> None:
        """Send ``GET /next``: "I am done with the last event". Its answer is read by :meth:`read_next`.

        Raises:
            HttpError: it could not be sent.
        """
        if self._pending:
            return
        request = request_bytes("GET", wire.NEXT_PATH, self._host, self._identity(), b"")
        try:
            self._connected().send(request, None)
        except HttpError:
            self._disconnect()
            self._connected().send(request, None)
        self._pending = True

    def fileno(self) -> int:
        """Where the answer to ``GET /next`` will come; after :meth:`ask_next`."""
        return self._connected().fileno()

    def read_next(self) -> bytes:
        """Wait, for hours if need be, for the next event; its body.

        Raises:
            ApiRefused: the platform answered with an error.
            HttpError: the connection failed; the next call asks again.
        """
        self.ask_next()
        self._pending = False
        try:
            answer = self._connected().receive(None)
        except HttpError:
            self._disconnect()
            raise
        self._after(answer)
        _check("next", answer)
        return answer.body

    def _identity(self) -> tuple[tuple[str, str], ...]:
        return ((wire.IDENTIFIER_HEADER, self.identifier),)

    def _call(self, method: str, path: str, headers: tuple[tuple[str, str], ...], body: bytes) -> Message:
        """One exchange, repeated where it is certain that the platform did not see the request."""
        headers = (*headers, ("Content-Type", "application/json"))
        request = request_bytes(method, path, self._host, headers, body)
        for pause_s in (*_RETRY_AFTER_S, None):
            try:
                answer = self._connected().exchange(request, monotonic() + _CALL_TIMEOUT_S)
            except (ConnectError, ConnectionLost) as error:
                self._disconnect()
                if pause_s is None or (isinstance(error, ConnectionLost) and error.answered):
                    raise
            except HttpError:
                self._disconnect()
                raise
            else:
                self._after(answer)
                if pause_s is None or answer.status not in {429, 500, 502, 503, 504}:
                    return answer
            sleep(pause_s)
        raise AssertionError("unreachable: the last turn of the loop returns or raises")

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(connect(*self._address, _CALL_TIMEOUT_S))
        return self._connection

    def _after(self, answer: Message) -> None:
        if not answer.keep_alive:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._pending = False


def subscription_body(version: str, port: int, *, logs: bool) -> bytes:
    """The body of ``PUT /telemetry``. Never asks for the logs of extensions, which are our own lines."""
    types = '"platform","function"' if logs else '"platform"'
    return (
        f'{{"schemaVersion":"{version}","types":[{types}],'
        f'"buffering":{{"maxItems":{wire.BUFFER_MAX_ITEMS},"maxBytes":{wire.BUFFER_MAX_BYTES},'
        f'"timeoutMs":{wire.BUFFER_TIMEOUT_MS}}},'
        f'"destination":{{"protocol":"HTTP","URI":"http://{wire.SANDBOX_HOST}:{port}"}}}}'
    ).encode()


def _check(what: str, answer: Message) -> None:
    if not 200 <= answer.status < 300:
        raise ApiRefused(what, answer.status, _excerpt(answer))


def _excerpt(answer: Message | None) -> str:
    return answer.body[:200].decode("utf-8", "replace") if answer else ""
