"""What the customer can set: rows of data, and the one place that reads the environment.

A value that cannot be used costs one line to standard error and counts as unset: a typing mistake in a setting of ours
must not be a failure of the customer's function.
"""

from __future__ import annotations

from extension.url import Endpoint, parse_url, percent_decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

    Say = Callable[[str, str], None]
    """Where a line for the operator goes: kind and text."""

    _Wrong = tuple[str, "Setting", str, str]
    """A value that cannot be used: the variable, its row, the complaint, and what is used instead ("" for nothing)."""

PREFIX: Final = "LAMBDASCOPE_"
"""Before an OpenTelemetry name: this value is for the layer only, not for the function's own SDK."""

FLUSH_ADAPTIVE, FLUSH_END, FLUSH_PERIODIC = "adaptive", "end", "periodic"


class Setting:
    """One row: a variable of the environment.

    Attributes:
        env: its name. An ``OTEL_`` name may also be given with :data:`PREFIX`, which then takes precedence.
        kind: a key of :data:`KINDS`.
        default: in the form in which it would be set.
        help: one sentence, for the documentation.
    """

    __slots__ = ("default", "env", "help", "kind")

    def __init__(self, env: str, kind: str, default: str, help_text: str) -> None:
        self.env = env
        self.kind = kind
        self.default = default
        self.help = help_text


def _per_signal(name: str, kind: str, default: str, help_text: str) -> tuple[Setting, ...]:
    """A setting of the OTLP exporter for all signals, and its variants for one signal each."""
    only = "The same for {} only; takes precedence over the general one."
    return (
        Setting(f"OTEL_EXPORTER_OTLP_{name}", kind, default, help_text),
        Setting(f"OTEL_EXPORTER_OTLP_TRACES_{name}", kind, "", only.format("traces")),
        Setting(f"OTEL_EXPORTER_OTLP_LOGS_{name}", kind, "", only.format("logs")),
        Setting(f"OTEL_EXPORTER_OTLP_METRICS_{name}", kind, "", only.format("metrics")),
    )


SETTINGS: Final[tuple[Setting, ...]] = (
    *_per_signal(
        "ENDPOINT",
        "url",
        "",
        "The collector. `/v1/traces`, `/v1/logs` and `/v1/metrics` are added to the general one; those of a signal are"
        " used as given. Without one nothing is exported.",
    ),
    *_per_signal("PROTOCOL", "protocol", "http/protobuf", "How to export."),
    *_per_signal("HEADERS", "headers", "", "Sent with each export, percent-encoded as in W3C Baggage. Never logged."),
    *_per_signal("COMPRESSION", "compression", "none", "Of the exports' bodies."),
    *_per_signal("TIMEOUT", "milliseconds", "10000", "For one export, in milliseconds."),
    *_per_signal("CERTIFICATE", "path", "", "A PEM file of the authorities to trust; else the system's."),
    Setting(
        "LAMBDASCOPE_HEADERS_FILE",
        "path",
        "",
        "A file with more headers, one `name=value` per line, as for OTEL_EXPORTER_OTLP_HEADERS; they take precedence.",
    ),
    Setting("HTTPS_PROXY", "proxy", "", "Through which to export to https:// addresses; `https_proxy` too."),
    Setting("HTTP_PROXY", "proxy", "", "Through which to export to http:// addresses; `http_proxy` too."),
    Setting(
        "NO_PROXY",
        "text",
        "",
        "Hosts that are exported to without a proxy, with all below them, and `*` for all; `no_proxy` too.",
    ),
    Setting("OTEL_SERVICE_NAME", "text", "", "`service.name`; else the function's name."),
    Setting("OTEL_RESOURCE_ATTRIBUTES", "pairs", "", "More resource attributes, percent-encoded."),
    Setting(
        "LAMBDASCOPE_FLUSH",
        "flush",
        "adaptive",
        "When to export: after each invocation (`end`), at most every so many seconds and beside the next invocation's"
        " own work (`periodic,SECONDS`), or the one or the other by the traffic (`adaptive`).",
    ),
    Setting(
        "LAMBDASCOPE_INFLIGHT_AFTER",
        "in_flight",
        "10",
        "An invocation that runs for so many seconds is told of while it runs; the final span takes that one's place.",
    ),
    Setting(
        "LAMBDASCOPE_SPANS",
        "spans",
        "full",
        "Whether the response's latency, its duration and the runtime's overhead are spans (`full`), or attributes of"
        " the invocation's span (`compact`).",
    ),
    Setting("LAMBDASCOPE_LOGS", "switch", "on", "Whether the function's logs are sent."),
    Setting(
        "LAMBDASCOPE_LOGS_REDACT",
        "patterns",
        "",
        "What matches one of these regular expressions, one per line, leaves the sandbox as `***`.",
    ),
    Setting(
        "LAMBDASCOPE_LOGS_LINE_CHARACTERS",
        "line_characters",
        "65536",
        "A longer log line is cut, and carries `lambda.log.cut_characters`.",
    ),
    Setting(
        "LAMBDASCOPE_LOGS_PER_SECOND",
        "rate",
        "0",
        "How many log lines are sent per second, ten times as many in a burst; more are left out, and counted."
        " 0 for any number.",
    ),
    Setting(
        "LAMBDASCOPE_PAYLOAD",
        "payload",
        "off",
        "How many characters of an event are recorded (`on`: 2048), secrets masked; with LAMBDASCOPE_PROXY only.",
    ),
    Setting(
        "LAMBDASCOPE_QUEUE_BYTES",
        "queue_bytes",
        "2097152",
        "How much may wait for the collector, in bytes; the oldest is dropped, and counted, beyond it.",
    ),
    Setting(
        "LAMBDASCOPE_OTLP_RECEIVER",
        "receiver",
        "off",
        "Whether to take what the function's own SDK sends by OTLP/HTTP, at port 4318 (`on`) or another one of"
        " 127.0.0.1, and pass it on as it is.",
    ),
    Setting(
        "LAMBDASCOPE_STATE_FILE",
        "state_file",
        "/tmp/.lambdascope",  # noqa: S108 - the one folder that survives a reset; see journal.py for how it is opened
        "Where to keep what must survive a timeout or crash of the sandbox (64 KiB at most).",
    ),
    Setting("LAMBDASCOPE_LISTENER_PORT", "port", "0", "Where telemetry is delivered to; 0 takes a free port."),
)


class ExportSettings:
    """Where and how one signal is exported. Its repr leaves the headers' values out: they are secrets."""

    __slots__ = ("certificate", "endpoint", "gzip", "headers", "headers_file", "proxy", "timeout_s")

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        gzip: bool = False,
        timeout_s: float = 10.0,
        certificate: str = "",
        headers_file: str = "",
        proxy: Endpoint | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.headers = headers
        self.gzip = gzip
        self.timeout_s = timeout_s
        self.certificate = certificate
        self.headers_file = headers_file
        self.proxy = proxy

    def __repr__(self) -> str:
        names = ", ".join(name for name, _ in self.headers)
        return f"ExportSettings({self.endpoint}, headers=[{names}], gzip={self.gzip}, timeout_s={self.timeout_s})"


class Settings:
    """What :func:`from_environ` found.

    Attributes:
        traces, logs, metrics: where the signal goes; None where it is not exported. Metrics are the function's own.
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
        "payload_characters",
        "queue_bytes",
        "receiver_port",
        "resource_attributes",
        "service_name",
        "spans_compact",
        "state_file",
        "traces",
    )

    def __init__(self, values: Values) -> None:
        self.receiver_port = _parse_receiver(values.text("LAMBDASCOPE_OTLP_RECEIVER"))
        self.traces = values.export("TRACES", "v1/traces", self.receiver_port)
        self.logs = values.export("LOGS", "v1/logs", self.receiver_port)
        self.metrics = values.export("METRICS", "v1/metrics", self.receiver_port) if self.receiver_port else None
        self.service_name = values.text("OTEL_SERVICE_NAME")
        self.resource_attributes = values.pairs("OTEL_RESOURCE_ATTRIBUTES")
        self.flush, self.flush_period_s = _parse_flush(values.text("LAMBDASCOPE_FLUSH"))
        self.in_flight_after_s = _parse_in_flight(values.text("LAMBDASCOPE_INFLIGHT_AFTER"))
        self.spans_compact = values.text("LAMBDASCOPE_SPANS").lower() == "compact"
        self.logs_wanted = values.text("LAMBDASCOPE_LOGS").lower() == _ON and self.logs is not None
        self.logs_redact = values.text("LAMBDASCOPE_LOGS_REDACT")
        self.logs_line_characters = values.number("LAMBDASCOPE_LOGS_LINE_CHARACTERS")
        self.logs_per_second = values.number("LAMBDASCOPE_LOGS_PER_SECOND")
        self.payload_characters = _parse_payload(values.text("LAMBDASCOPE_PAYLOAD"))
        self.queue_bytes = values.number("LAMBDASCOPE_QUEUE_BYTES")
        self.state_file = _parse_state_file(values.text("LAMBDASCOPE_STATE_FILE"))
        self.listener_port = values.number("LAMBDASCOPE_LISTENER_PORT")


def from_environ(environ: Mapping[str, str], say: Say) -> Settings:
    """Read every setting; tell of each that cannot be used, and take its default."""
    wrong: list[_Wrong] = []
    values = Values({row.env: _chosen(row, environ, wrong) for row in SETTINGS})
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
    elif settings.traces is not None and values.export_protocol("TRACES") == "grpc":
        say(
            "grpc",
            "OTEL_EXPORTER_OTLP_PROTOCOL=grpc: this layer exports by http/protobuf, to port 4318 of the same host:"
            f" {settings.traces.endpoint}",
        )
    return settings


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

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        """As it was set."""
        return self._values[name]

    def number(self, name: str) -> int:
        """As an integer."""
        return int(self._values[name])

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
        """As name and value pairs."""
        return _parse_pairs(self._values[name])

    def of_signal(self, signal: str, name: str) -> str:
        """The signal's own value, else the general one."""
        return self._values[f"OTEL_EXPORTER_OTLP_{signal}_{name}"] or self._values[f"OTEL_EXPORTER_OTLP_{name}"]

    def export_protocol(self, signal: str) -> str:
        """``grpc`` or ``http/protobuf``."""
        return self.of_signal(signal, "PROTOCOL").lower()

    def export(self, signal: str, path: str, receiver_port: int) -> ExportSettings | None:
        """Where and how a signal is exported, by the rules of OpenTelemetry's "OTLP exporter configuration".

        None where it has no address, and where the address is our own receiver.
        """
        own = self._values[f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"]
        url = own or self._values["OTEL_EXPORTER_OTLP_ENDPOINT"]
        if not url:
            return None
        endpoint = parse_url(url)
        if self.export_protocol(signal) == "grpc":
            endpoint = endpoint.moved_to(4318, "/" + path)
        elif not own:
            endpoint = endpoint.below(path)
        if endpoint.port == receiver_port and endpoint.host.lower() in _OURSELVES:
            return None
        return ExportSettings(
            endpoint,
            headers=_parse_pairs(self.of_signal(signal, "HEADERS")),
            gzip=self.of_signal(signal, "COMPRESSION").lower() == "gzip",
            timeout_s=int(self.of_signal(signal, "TIMEOUT")) / 1000,
            certificate=self.of_signal(signal, "CERTIFICATE"),
            headers_file=self.text("LAMBDASCOPE_HEADERS_FILE"),
            proxy=self._proxy(endpoint),
        )

    def _proxy(self, endpoint: Endpoint) -> Endpoint | None:
        """Through which an address is reached; None for directly, as what is on this machine always is."""
        url = self.text("HTTPS_PROXY" if endpoint.scheme == "https" else "HTTP_PROXY")
        host = endpoint.host.lower()
        spared = [name.strip().lower().lstrip(".") for name in self.text("NO_PROXY").split(",")]
        if not url or host in _OURSELVES or "*" in spared:
            return None
        return (
            None if any(name and (host == name or host.endswith("." + name)) for name in spared) else _parse_proxy(url)
        )


# Kinds ---------------------------------------------------------------------------------------------------------------

_ON, _OFF = "on", "off"
_OTLP_HTTP_PORT = 4318
_OURSELVES = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1", "::", "sandbox.localdomain", "sandbox"})


class Kind:
    """What a value may be: a parser that raises ValueError, and the words that say what it accepts.

    Attributes:
        is_secret: whether a value, maybe a wrong one, must not be shown.
    """

    __slots__ = ("accepts", "is_secret", "parse")

    def __init__(
        self, accepts: str, parse: Callable[[str], object], is_secret: Callable[[str], bool] = lambda _: False
    ) -> None:
        self.accepts = accepts
        self.parse = parse
        self.is_secret = is_secret


def _always(_value: str) -> bool:
    return True


def _may_hold_a_password(url: str) -> bool:
    return "@" in url or "?" in url


def _one_of(*words: str) -> Callable[[str], object]:
    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(value)
        return value

    return parse


def _between(least: int, most: int) -> Callable[[str], object]:
    def parse(value: str) -> int:
        if not (value.isascii() and value.isdigit()) or not least <= int(value[:12]) <= most:
            raise ValueError(value)
        return int(value)

    return parse


def _parse_pairs(value: str) -> tuple[tuple[str, str], ...]:
    """``name=value,name=value``, percent-encoded."""
    pairs = []
    for pair in value.split(","):
        name, equals, text = pair.strip().partition("=")
        if not pair.strip():
            continue
        if not equals or not name.strip():
            raise ValueError(pair)
        pairs.append((percent_decode(name.strip()), percent_decode(text.strip())))
    return tuple(pairs)


def parse_headers(value: str) -> tuple[tuple[str, str], ...]:
    """``name=value,name=value`` as headers.

    Raises:
        ValueError: it is not, or has what no header may have.
    """
    pairs = _parse_pairs(value)
    for name, text in pairs:
        if not name.isascii() or any(ord(c) <= 32 or c == ":" for c in name) or any(c in text for c in "\r\n\0"):
            raise ValueError(name)
    return pairs


def _parse_flush(value: str) -> tuple[str, float]:
    mode, comma, seconds = value.lower().partition(",")
    if mode == FLUSH_PERIODIC and comma:
        period_s = float(seconds)
        if not 0 < period_s <= 3600:
            raise ValueError(value)
        return mode, period_s
    if value.lower() not in {FLUSH_ADAPTIVE, FLUSH_END}:
        raise ValueError(value)
    return mode, 0.0


def _parse_in_flight(value: str) -> float | None:
    if value.lower() == _OFF:
        return None
    after_s = float(value)
    if not 0.1 <= after_s <= 900:
        raise ValueError(value)
    return after_s


def _parse_proxy(value: str) -> Endpoint:
    """``http://host:port``; without a scheme that one is meant."""
    proxy = parse_url(value if "://" in value else f"http://{value}")
    if proxy.scheme != "http":
        raise ValueError(value)
    return proxy


def _parse_receiver(value: str) -> int:
    if value.lower() in {_ON, _OFF}:
        return _OTLP_HTTP_PORT if value.lower() == _ON else 0
    if not (value.isascii() and value.isdigit()) or not 1024 <= int(value[:6]) <= 65535:
        raise ValueError(value)
    return int(value)


def _parse_payload(value: str) -> int:
    """How many characters of an event are recorded; 0 for none."""
    if value.lower() in {_ON, _OFF}:
        return 2048 if value.lower() == _ON else 0
    if not (value.isascii() and value.isdigit()) or not 1 <= int(value[:8]) <= 16384:
        raise ValueError(value)
    return int(value)


def _parse_state_file(value: str) -> str:
    if value.lower() == _OFF:
        return ""
    if not value.startswith("/"):
        raise ValueError(value)
    return value


KINDS: Final[dict[str, Kind]] = {
    "url": Kind("an http:// or https:// address without a password", parse_url, _may_hold_a_password),
    "protocol": Kind("http/protobuf or grpc", _one_of("http/protobuf", "grpc")),
    "headers": Kind("a list such as name=value,name=value", parse_headers, _always),
    "compression": Kind("gzip or none", _one_of("gzip", "none")),
    "milliseconds": Kind("a number of milliseconds from 1 to 900000", _between(1, 900_000)),
    "path": Kind("a path", str),
    "text": Kind("text", str),
    "pairs": Kind("a list such as name=value,name=value", _parse_pairs),
    "flush": Kind("adaptive, end, or periodic,SECONDS", _parse_flush),
    "in_flight": Kind("a number of seconds from 0.1 to 900, or off", _parse_in_flight),
    "spans": Kind("full or compact", _one_of("full", "compact")),
    "switch": Kind("on or off", _one_of(_ON, _OFF)),
    "payload": Kind("on, off or a number of characters from 1 to 16384", _parse_payload),
    "queue_bytes": Kind("a number of bytes from 65536 to 67108864", _between(65536, 64 << 20)),
    "state_file": Kind("an absolute path or off", _parse_state_file),
    "proxy": Kind("an http:// address without a password", _parse_proxy, _may_hold_a_password),
    "receiver": Kind("on, off or a port number from 1024 to 65535", _parse_receiver),
    "patterns": Kind("regular expressions, one per line", str, _always),
    "line_characters": Kind("a number of characters from 256 to 1048576", _between(256, 1 << 20)),
    "rate": Kind("a number of lines from 0 to 1000000", _between(0, 1_000_000)),
    "port": Kind("a port number from 0 to 65535", _between(0, 65535)),
}
