"""The signals that leave the sandbox: their queues, where they go, and the resource that all of them carry."""

from __future__ import annotations

from extension import __version__, otlp, proc
from extension.batches import BatchQueue
from extension.exporter import Channel
from extension.sandbox import resource_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from extension.sandbox import SandboxEnvironment
    from extension.settings import ExportSettings, Settings

_AGENT = f"lambdascope/{__version__}"
_MOST_SEARCHES = 3


class ResourceOfSandbox:
    """The resource of what we export, with what becomes known of the sandbox as time goes by."""

    __slots__ = ("_account_id", "_identity", "_sandbox", "_searches_left", "_settings")

    def __init__(
        self,
        sandbox: SandboxEnvironment,
        settings: Settings,
        account_id: str,
        identity: Callable[[], tuple[str, str | None]],
    ) -> None:
        """`identity`: says the sandbox's id, and the ARN that was invoked last."""
        self._sandbox = sandbox
        self._settings = settings
        self._account_id = account_id
        self._identity = identity
        self._searches_left = _MOST_SEARCHES

    def encode(self, items: list[bytes]) -> bytes:
        """The body of an export of these items. For the exporter's thread."""
        self._find_log_destination()
        instance_id, invoked_arn = self._identity()
        attributes = resource_attributes(
            self._sandbox,
            instance_id,
            self._account_id,
            invoked_arn,
            self._settings.service_name,
            self._settings.resource_attributes,
        )
        return otlp.export_request(otlp.resource(attributes), items)

    def _find_log_destination(self) -> None:
        """Ask the runtime's process until it was seen, a few times at most."""
        if self._searches_left > 0 and not self._sandbox.log_group:
            self._searches_left -= 1
            found = proc.log_destination(self._sandbox.runtime_api)
            if found is not None:
                self._searches_left = 0
                self._sandbox.log_group, self._sandbox.log_stream = found


class Channels:
    """All channels of a sandbox.

    Attributes:
        all: in the order in which they are flushed.
        spans, logs: the queues of what we make; None where that is not exported.
        of_function: queues of what the function's own SDK sends, by the path that it is sent to.
    """

    __slots__ = ("all", "logs", "of_function", "spans")

    def __init__(self, settings: Settings, encode: Callable[[list[bytes]], bytes]) -> None:
        self.all: list[Channel] = []
        self.spans = self._made_here("spans", settings.traces, settings, encode)
        self.logs = self._made_here("log records", settings.logs if settings.logs_wanted else None, settings, encode)
        self.of_function: dict[str, BatchQueue] = {}
        if settings.receiver_port:
            self._pass_on(settings)

    @property
    def numbered(self) -> dict[str, BatchQueue]:
        """The queues whose batches are numbered, by signal."""
        return {name: queue for name, queue in (("spans", self.spans), ("logs", self.logs)) if queue is not None}

    def _made_here(
        self, name: str, export: ExportSettings | None, settings: Settings, encode: Callable[[list[bytes]], bytes]
    ) -> BatchQueue | None:
        if export is None:
            return None
        queue = BatchQueue(settings.queue_bytes)
        self.all.append(Channel(name, export, queue, encode, _AGENT))
        return queue

    def _pass_on(self, settings: Settings) -> None:
        for signal, export in (("traces", settings.traces), ("logs", settings.logs), ("metrics", settings.metrics)):
            if export is not None:
                queue = self.of_function[f"/v1/{signal}"] = BatchQueue(settings.queue_bytes // 2)
                self.all.append(Channel.passing_on(f"{signal} of the function", export, queue))
