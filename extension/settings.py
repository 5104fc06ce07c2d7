"""What the customer has set: the one place that reads the environment.

A value that cannot be used costs one line to standard error and counts as unset: a typing mistake in a setting of ours
must not be a failure of the customer's function.
"""

from __future__ import annotations

from extension.setting_kinds import (
    KINDS,
    ON,
    parse_flush,
    parse_in_flight,
    parse_pairs,
    parse_payload,
    parse_proc_metrics,
    parse_proxy,
    parse_receiver,
    parse_secret,
    parse_state_file,
)
from extension.setting_rows import PREFIX, SETTINGS
from extension.url import parse_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from extension.setting_rows import Setting
    from extension.url import Endpoint, Proxy

    Say = Callable[[str, str], None]
    """Where a line for the operator goes: kind and text."""

    _Wrong = tuple[str, Setting, str, str]
    """A value that cannot be used: the variable, its row, the complaint, and what is used instead ("" for nothing)."""

_SERVICES = {
    "TRACES": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "LOGS": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "METRICS": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
"""OTLP/gRPC: the method of each signal, which takes the place of a path."""
_OURSELVES = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1", "::", "sandbox.localdomain", "sandbox"})


class ExportSettings:
    """Where and how one signal is exported. Its repr leaves the headers' values out: they are secrets."""

    __slots__ = ("certificate", "endpoint", "grpc", "gzip", "headers", "headers_file", "proxy", "secret", "timeout_s")

    def __init__(  # noqa: PLR0913 - a parameter for each setting
        self,
        endpoint: Endpoint,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        gzip: bool = False,
        timeout_s: float = 10.0,
        certificate: str = "",
        headers_file: str = "",
        secret: SecretSettings | None = None,
        proxy: Proxy | None = None,
        grpc: bool = False,
    ) -> None:
        self.endpoint = endpoint
        self.headers = headers
        self.gzip = gzip
        self.timeout_s = timeout_s
        self.certificate = certificate
        self.headers_file = headers_file
        self.secret = secret
        self.proxy = proxy
        self.grpc = grpc

    def __repr__(self) -> str:
        names = ", ".join(name for name, _ in self.headers)
        how = f"gzip={self.gzip}, grpc={self.grpc}, timeout_s={self.timeout_s}"
        return f"ExportSettings({self.endpoint}, headers=[{names}], {how})"


class SecretSettings:
    """Where headers are to be had through the AWS Parameters and Secrets extension. Its token is a secret.

    Attributes:
        service: SECRETS_MANAGER or PARAMETER_STORE.
        name: name or ARN.
        port: of the extension, on this machine.
        token: what it wants to be shown: the function's session token.
    """

    __slots__ = ("name", "port", "service", "token")

    def __init__(self, service: str, name: str, port: int, token: str) -> None:
        self.service = service
        self.name = name
        self.port = port
        self.token = token

    def __repr__(self) -> str:
        return f"SecretSettings({self.service}, {self.name}, {self.port})"


class Settings:
    """What :func:`from_environ` found.

    Attributes:
        traces, logs, metrics: where the signal goes; None where it is not exported.
        metrics_wanted: whether invocations are told as metrics, too.
        proc_metrics_s: how often /proc is read for metrics; None for never.
        temporality: of the metrics that are made here.
        receiver_port: where the function's SDK sends; 0 for nowhere.
        service_name: empty where the function's name serves.
        resource_attributes: as they were given.
        flush: one of FLUSH_ADAPTIVE, FLUSH_END, FLUSH_PERIODIC.
        flush_period_s: for FLUSH_PERIODIC.
        in_flight_after_s: how long an invocation runs until it is told of; None for never.
        spans_compact: whether the response's figures are attributes.
        logs_wanted: whether to subscribe to the function's logs.
        logs_redact: regular expressions, one per line; empty for none.
        logs_line_characters: a longer line is cut.
        logs_per_second: how many lines are sent; 0 for any number.
        payload_characters: how much of an event is recorded; 0 for nothing.
        queue_bytes: bound of what waits for the collector.
        listener_port: 0 for any.
        state_file: empty for none.
    """

    __slots__ = (
        "flush",
        "flush_period_s",
        "in_flight_after_s",
        "listener_port",
        "logs",
        "logs_line_characters",
        "logs_per_second",
        "logs_redact",
        "logs_wanted",
        "metrics",
        "metrics_wanted",
        "payload_characters",
        "proc_metrics_s",
        "queue_bytes",
        "receiver_port",
        "resource_attributes",
        "service_name",
        "spans_compact",
        "state_file",
        "temporality",
        "traces",
    )

    def __init__(self, values: Values) -> None:
        self.receiver_port = parse_receiver(values.text("LAMBDASCOPE_OTLP_RECEIVER"))
        self.traces = values.export("TRACES", "v1/traces", self.receiver_port)
        self.logs = values.export("LOGS", "v1/logs", self.receiver_port)
        self.metrics_wanted = values.text("LAMBDASCOPE_METRICS").lower() == ON
        self.proc_metrics_s = parse_proc_metrics(values.text("LAMBDASCOPE_PROC_METRICS"))
        self.temporality = values.text("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE").lower()
        self.metrics = (
            values.export("METRICS", "v1/metrics", self.receiver_port)
            if self.receiver_port or self.metrics_wanted or self.proc_metrics_s
            else None
        )
        self.service_name = values.text("OTEL_SERVICE_NAME")
        self.resource_attributes = values.pairs("OTEL_RESOURCE_ATTRIBUTES")
        self.flush, self.flush_period_s = parse_flush(values.text("LAMBDASCOPE_FLUSH"))
        self.in_flight_after_s = parse_in_flight(values.text("LAMBDASCOPE_INFLIGHT_AFTER"))
        self.spans_compact = values.text("LAMBDASCOPE_SPANS").lower() == "compact"
        self.logs_wanted = values.text("LAMBDASCOPE_LOGS").lower() == ON and self.logs is not None
        self.logs_redact = values.text("LAMBDASCOPE_LOGS_REDACT")
        self.logs_line_characters = values.number("LAMBDASCOPE_LOGS_LINE_CHARACTERS")
        self.logs_per_second = values.number("LAMBDASCOPE_LOGS_PER_SECOND")
        self.payload_characters = parse_payload(values.text("LAMBDASCOPE_PAYLOAD"))
        self.queue_bytes = values.number("LAMBDASCOPE_QUEUE_BYTES")
        self.state_file = parse_state_file(values.text("LAMBDASCOPE_STATE_FILE"))
        self.listener_port = values.number("LAMBDASCOPE_LISTENER_PORT")


def from_environ(environ: Mapping[str, str], say: Say) -> Settings:
    """Read every setting; tell of each that cannot be used, and take its default."""
    wrong: list[_Wrong] = []
    values = Values({row.env: _chosen(row, environ, wrong) for row in SETTINGS}, _token(environ))
    settings = Settings(values)
    nothing = "nothing is exported" if settings.logs is None else "no spans are exported"
    endpoint_is_wrong = False
    for name, row, complaint, instead in wrong:
        is_why = settings.traces is None and row.env == "OTEL_EXPORTER_OTLP_ENDPOINT" and not instead
        endpoint_is_wrong = endpoint_is_wrong or is_why
        say(f"setting {name}", f"{complaint}: {nothing if is_why else instead or 'it is ignored'}")
    if settings.traces is None and values.of_signal("TRACES", "ENDPOINT"):
        say(
            "loop",
            "OTEL_EXPORTER_OTLP_ENDPOINT is this extension's own receiver: without"
            " LAMBDASCOPE_OTEL_EXPORTER_OTLP_ENDPOINT nothing is exported",
        )
    elif settings.traces is None and not endpoint_is_wrong:
        say("no-endpoint", f"OTEL_EXPORTER_OTLP_ENDPOINT is not set: {nothing}")
    return settings


def _token(environ: Mapping[str, str]) -> str:
    """The session token; SnapStart and managed instances have that of the credentials endpoint in its place."""
    return environ.get("AWS_SESSION_TOKEN", "") or environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")


def _chosen(row: Setting, environ: Mapping[str, str], wrong: list[_Wrong]) -> str:
    """The first value that can be used, else the default; those that cannot are added to `wrong`."""
    names = (PREFIX + row.env, row.env) if row.env.startswith("OTEL_") else (row.env,)
    if row.env.endswith("_PROXY"):
        names = (row.env.lower(), row.env)  # curl's order
    complaints: list[tuple[str, str]] = []
    chosen, instead = row.default, row.default
    for name in names:
        value = environ.get(name, "").strip()
        if not value:  # OpenTelemetry: an empty value is the same as none
            continue
        kind = KINDS[row.kind]
        try:
            kind.parse(value)
        except ValueError:
            shown = "" if kind.is_secret(value) else f"={value}"
            complaints.append((name, f"{name}{shown} is not {kind.accepts}"))
            continue
        chosen, instead = value, name
        break
    wrong += [(name, row, text, f"going on with {instead}" if instead else "") for name, text in complaints]
    return chosen


class Values:
    """The rows' values, each of which its parser has accepted."""

    __slots__ = ("_token", "_values")

    def __init__(self, values: dict[str, str], token: str) -> None:
        self._values = values
        self._token = token

    def text(self, name: str) -> str:
        """As it was set."""
        return self._values[name]

    def number(self, name: str) -> int:
        """As an integer."""
        return int(self._values[name])

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
        """As name and value pairs."""
        return parse_pairs(self._values[name])

    def of_signal(self, signal: str, name: str) -> str:
        """The signal's own value, else the general one."""
        return self._values[f"OTEL_EXPORTER_OTLP_{signal}_{name}"] or self._values[f"OTEL_EXPORTER_OTLP_{name}"]

    def export(self, signal: str, path: str, receiver_port: int) -> ExportSettings | None:
        """Where and how a signal is exported, by the rules of OpenTelemetry's "OTLP exporter configuration".

        None where it has no address, and where the address is our own receiver.
        """
        own = self._values[f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"]
        url = own or self._values["OTEL_EXPORTER_OTLP_ENDPOINT"]
        if not url:
            return None
        endpoint = parse_url(url)
        grpc = self.of_signal(signal, "PROTOCOL").lower() == "grpc"
        if grpc:
            endpoint = endpoint.with_path(_SERVICES[signal])
        elif not own:
            endpoint = endpoint.below(path)
        if endpoint.port == receiver_port and endpoint.host.lower().rstrip(".") in _OURSELVES:
            return None
        return ExportSettings(
            endpoint,
            headers=parse_pairs(self.of_signal(signal, "HEADERS")),
            gzip=self.of_signal(signal, "COMPRESSION").lower() == "gzip",
            timeout_s=int(self.of_signal(signal, "TIMEOUT")) / 1000,
            certificate=self.of_signal(signal, "CERTIFICATE"),
            headers_file=self.text("LAMBDASCOPE_HEADERS_FILE"),
            secret=self._secret(),
            proxy=self._proxy(endpoint),
            grpc=grpc,
        )

    def _secret(self) -> SecretSettings | None:
        service, name = parse_secret(self.text("LAMBDASCOPE_HEADERS_SECRET"))
        port = self.number("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT")
        return SecretSettings(service, name, port, self._token) if service else None

    def _proxy(self, endpoint: Endpoint) -> Proxy | None:
        """Through which an address is reached; None for directly, as what is on this machine always is."""
        url = self.text("HTTPS_PROXY" if endpoint.scheme == "https" else "HTTP_PROXY")
        host = endpoint.host.lower()
        spared = [name.strip().lower().lstrip(".") for name in self.text("NO_PROXY").split(",")]
        if not url or host in _OURSELVES or "*" in spared:
            return None
        return (
            None if any(name and (host == name or host.endswith("." + name)) for name in spared) else parse_proxy(url)
        )
