"""What the customer can set: one row of data for each variable of the environment."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

PREFIX: Final = "LAMBDASCOPE_"
"""Before an OpenTelemetry name: this value is for the layer only, not for the function's own SDK."""


class Setting:
    """One row: a variable of the environment.

    Attributes:
        env: its name. An ``OTEL_`` name may also be given with :data:`PREFIX`, which then takes precedence.
        kind: a key of :data:`extension.setting_kinds.KINDS`.
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
    *_per_signal(
        "PROTOCOL", "protocol", "http/protobuf", "How to export. The path of an address counts for HTTP only."
    ),
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
    Setting(
        "LAMBDASCOPE_HEADERS_SECRET",
        "secret",
        "",
        "More headers out of Secrets Manager or Parameter Store, asked for through the AWS Parameters and Secrets"
        " extension: lines as in the file, or one JSON object. They take precedence over all others.",
    ),
    Setting("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", "port", "2773", "Where that extension listens; its own setting."),
    Setting(
        "HTTPS_PROXY",
        "proxy",
        "",
        "Through which to export to https:// addresses; `https_proxy` too. It may hold a user and a password.",
    ),
    Setting("HTTP_PROXY", "proxy", "", "The same for http:// addresses; `http_proxy` too."),
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
        "LAMBDASCOPE_METRICS",
        "switch",
        "off",
        "Whether the invocations are also told as metrics (`faas.invoke_duration`, `faas.coldstarts` and others).",
    ),
    Setting(
        "LAMBDASCOPE_PROC_METRICS",
        "proc_metrics",
        "off",
        "Whether the sandbox's processor time, memory, /tmp, file descriptors, threads and network are read from /proc"
        " and sent as metrics: every so many seconds (`on`: 10) while it is awake.",
    ),
    Setting(
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "temporality",
        "cumulative",
        "Whether these metrics tell of all since the start of the sandbox, or of what came since the last export.",
    ),
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
        "A longer log line, with the names and values of an object, is cut, and carries `lambda.log.cut_characters`.",
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
