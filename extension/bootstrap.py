"""From process start to the first ``GET /next``, as far as the launcher has not gone already.

Nothing of what is imported here may cost anything: this is the part that prolongs the customer's cold start.
"""

from __future__ import annotations

import _socket
from time import time_ns

from extension import handoff as stages
from extension import wire
from extension.errors import ApiRefused, HttpError
from extension.extensions_api import ExtensionsApi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from extension.diagnostics import Diagnostics
    from extension.handoff import Handoff
    from extension.settings import Settings

_BACKLOG = 128


class Bootstrapped:
    """What the event loop begins with: ``GET /next`` is under way on `api`.

    Attributes:
        api: the connection to the platform.
        listener: where telemetry is delivered; None where there will be none.
        handoff: identity and times of the registration.
    """

    __slots__ = ("api", "handoff", "listener")

    def __init__(self, api: ExtensionsApi, listener: _socket.socket | None, handoff: Handoff) -> None:
        self.api = api
        self.listener = listener
        self.handoff = handoff


def reach_next(environ: Mapping[str, str], settings: Settings, diagnostics: Diagnostics) -> Bootstrapped:
    """Register, listen, subscribe and ask for the first event; leave out what the launcher has done.

    Raises:
        ApiRefused, HttpError: the platform does not let us register, or cannot be reached. Nothing can be done then.
    """
    handoff = stages.parse(environ.get(stages.HANDOFF_VARIABLE))
    api = ExtensionsApi(environ.get("AWS_LAMBDA_RUNTIME_API", ""), handoff.identifier)
    if handoff.api_fd is not None:
        api.adopt(handoff.api_fd, next_is_pending=handoff.stage == stages.WAITING)
    if handoff.stage < stages.REGISTERED:
        initialization_type = environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "")
        api.register(shutdown_only=initialization_type == wire.MANAGED_INSTANCES)
        handoff.identifier = api.identifier
        handoff.registered_ns = time_ns()
    listener = _adopted_listener(handoff)
    if handoff.stage < stages.SUBSCRIBED:
        listener = _subscribe(api, listener or _listen(settings.listener_port, diagnostics), settings, diagnostics)
    api.ask_next()
    return Bootstrapped(api, listener, handoff)


def _adopted_listener(handoff: Handoff) -> _socket.socket | None:
    return None if handoff.listener_fd is None else _socket.socket(fileno=handoff.listener_fd)


def _listen(port: int, diagnostics: Diagnostics) -> _socket.socket | None:
    """A socket at `port`, else at any: on all addresses, since sandbox.localdomain is not the loopback address."""
    for candidate in (port, 0):
        sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        try:
            sock.bind(("0.0.0.0", candidate))
            sock.listen(_BACKLOG)
        except OSError as error:
            sock.close()
            diagnostics.say("listen", f"cannot listen on port {candidate}: {error}")
        else:
            return sock
    return None


def _subscribe(
    api: ExtensionsApi, listener: _socket.socket | None, settings: Settings, diagnostics: Diagnostics
) -> _socket.socket | None:
    """Subscribe `listener`; without a subscription there is nothing to listen for."""
    if listener is None:
        return None
    try:
        api.subscribe(listener.getsockname()[1], logs=settings.logs_wanted)
    except (ApiRefused, HttpError) as error:
        diagnostics.say("subscribe", f"no telemetry, so nothing will be recorded: {error}")
        listener.close()
        return None
    return listener
