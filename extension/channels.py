"""The signals that leave the sandbox: their queues, where they go, and the resource that all of them carry."""

from __future__ import annotations

from extension import __version__, otlp, proc
from extension.batches import BatchQueue
from extension.delivery import RETRY, Verdict
from extension.sandbox import resource_attributes
from extension.transport import Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from extension.batches import Batch
    from extension.credentials import Credentials
    from extension.diagnostics import Diagnostics
    from extension.sandbox import SandboxEnvironment
    from extension.settings import ExportSettings, Settings

_AGENT = f"lambdascope/{__version__}"
_CONTENT_TYPE = ("Content-Type", "application/x-protobuf")
_GZIP_LEVEL = 3
_GZIP_WINDOW_BITS = 31
_MOST_SEARCHES = 3


class Channel:
    """One signal: its queue, where it goes, and how its items become the body of an export."""

    __slots__ = ("_credentials", "_headers", "encode", "name", "queue", "settings", "transport")

    def __init__(
        self, name: str, settings: ExportSettings, queue: BatchQueue, encode: Callable[[list[bytes]], bytes], agent: str
    ) -> None:
        """`agent`: the value of the User-Agent header."""
        self.name = name
        self.settings = settings
        self.queue = queue
        self.encode = encode
        self.transport = Transport(settings)
        encoding = (("Content-Encoding", "gzip"),) if settings.gzip else ()
        self._headers = (_CONTENT_TYPE, *encoding, ("User-Agent", agent), *settings.headers)
        self._credentials: Credentials | None = None

    @classmethod
    def passing_on(cls, name: str, settings: ExportSettings, queue: BatchQueue) -> Channel:
        """A channel for what somebody else encoded: each batch brings its own content type and encoding."""
        channel = cls(name, settings, queue, b"".join, "")
        channel._headers = settings.headers
        return channel

    def send(self, batch: Batch, diagnostics: Diagnostics) -> Verdict:
        """Send a batch, with what credentials there are now; once more where they turn out to have changed.

        Those that are refused may have been replaced just now: as long as they cannot be read again the batch is kept.

        Raises:
            HttpError: there was no answer, or there are no credentials yet.
        """
        if not (self.settings.headers_file or self.settings.secret):
            return self.transport.post(batch.body, (*self._headers, *batch.headers))
        if self._credentials is None:
            from extension.credentials import Credentials  # noqa: PLC0415 - for those who have some

            self._credentials = Credentials(self.settings, diagnostics)
        verdict = self.transport.post(batch.body, self._credentials.added_to((*self._headers, *batch.headers)))
        if verdict.unauthenticated:
            wait_s = self._credentials.renewable_in_s()
            if wait_s and not self._credentials.known_wrong:
                return Verdict(RETRY, verdict.reason, retry_after_s=wait_s)
            if not wait_s and self._credentials.renewed():
                return self.transport.post(batch.body, self._credentials.added_to((*self._headers, *batch.headers)))
        return verdict

    def body(self, items: list[bytes]) -> bytes:
        """The body of an export, compressed where that is asked for."""
        data = self.encode(items)
        if not self.settings.gzip:
            return data
        from zlib import compressobj  # noqa: PLC0415 - for those who asked for compression

        compressor = compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW_BITS)
        return compressor.compress(data) + compressor.flush()


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

    def log_stream(self) -> str:
        """The sandbox's log stream; empty where it cannot be found out."""
        self._find_log_destination()
        return self._sandbox.log_stream

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
        spans, logs, metrics: the queues of what we make; None where that is not exported.
        of_function: queues of what the function's own SDK sends, by the path that it is sent to.
        protobuf_only: those of these paths whose requests go on by gRPC.
    """

    __slots__ = ("all", "logs", "metrics", "of_function", "protobuf_only", "spans")

    def __init__(self, settings: Settings, encode: Callable[[list[bytes]], bytes]) -> None:
        self.all: list[Channel] = []
        self.spans = self._made_here("spans", settings.traces, settings, encode)
        self.logs = self._made_here("log records", settings.logs if settings.logs_wanted else None, settings, encode)
        measured = settings.metrics_wanted or settings.proc_metrics_s is not None
        self.metrics = self._made_here("metrics", settings.metrics if measured else None, settings, encode)
        self.of_function: dict[str, BatchQueue] = {}
        self.protobuf_only: frozenset[str] = frozenset()
        if settings.receiver_port:
            self._pass_on(settings)

    @property
    def numbered(self) -> dict[str, BatchQueue]:
        """The queues whose batches are numbered, by signal."""
        made_here = (("spans", self.spans), ("logs", self.logs), ("metrics", self.metrics))
        return {name: queue for name, queue in made_here if queue is not None}

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
                queue = self.of_function[f"/v1/{signal}"] = BatchQueue(settings.queue_bytes // 2, numbered=False)
                self.all.append(Channel.passing_on(f"{signal} of the function", export, queue))
                if export.grpc:
                    self.protobuf_only |= {f"/v1/{signal}"}
