"""Settings: rows of data, and the one place that turns flags and environment into a :class:`CollectorConfig`.

A flag wins over its environment variable, which wins over the default.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from collector.errors import SetupError
from collector.units import size_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ENVIRONMENT_PREFIX: Final = "LAMBDASCOPE_COLLECTOR_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: how a value is given, what it is if it is not, and what it means.

    Attributes:
        name: key of the parsed value; the flag is ``--name`` with dashes, the variable its upper case with the prefix.
        default: the text that stands where nothing is given.
        help: one sentence for ``--help`` and docs/collector.md, with the unit.
        parse: text to value; raises ValueError with what it wants.
    """

    name: str
    default: str
    help: str
    parse: Callable[[str], object]

    @property
    def flag(self) -> str:
        """``--grpc-port`` and the like."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """``LAMBDASCOPE_COLLECTOR_GRPC_PORT`` and the like."""
        return ENVIRONMENT_PREFIX + self.name.upper()


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise ValueError("a port from 0 (any free one) to 65535")
    return int(text)


def _milliseconds(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise ValueError("a whole number of milliseconds above 0")
    return int(text)


def _days(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise ValueError("a whole number of days, 0 for ever")
    return int(text)


def _limit_bytes(text: str) -> int:
    return size_bytes(text) if text else 0


def _alerts(text: str) -> Path | str:
    return text if text in {"recommended", "off"} else Path(text).absolute()


def _role(text: str) -> str:
    if text not in {"all", "receive", "jobs"}:
        raise ValueError("all, receive or jobs")
    return text


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) == 0:
        raise ValueError("a whole number above 0")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or float(text) == 0:
        raise ValueError("a number of seconds above 0")
    return float(text)


def _folder(text: str) -> Path:
    if not text:
        raise ValueError("a folder")
    return Path(text).absolute()


def _file(text: str) -> Path | None:
    return Path(text).absolute() if text else None


def _yes(text: str) -> bool:
    if text not in {"yes", "no"}:
        raise ValueError("yes or no")
    return text == "yes"


def _log_format(text: str) -> str:
    if text not in {"text", "json"}:
        raise ValueError("text or json")
    return text


def _url(text: str) -> str:
    if text and (urlsplit(text).scheme not in {"http", "https"} or not urlsplit(text).hostname):
        raise ValueError("http://host:port or https://host:port")
    return text.rstrip("/")


def _host(text: str) -> str:
    if not text or re.search(r"[\s/]", text):
        raise ValueError("an address such as 127.0.0.1")
    return text


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """Where ClickHouse is. ``repr`` and ``str`` never show the password.

    Attributes:
        dsn: what clickhouse-connect is given; empty for the embedded store in the data folder.
    """

    dsn: str

    @property
    def embedded(self) -> bool:
        """Whether ClickHouse runs inside the collector."""
        return self.dsn.startswith("chdb:")

    @property
    def scheme(self) -> str:
        """``http``, ``https`` (TLS; without a port in the URL, 8443) or ``chdb``."""
        return urlsplit(self.dsn).scheme

    @property
    def path(self) -> Path:
        """Folder of the embedded store."""
        return Path(self.dsn.removeprefix("chdb://"))

    @property
    def shown(self) -> str:
        """For people: without the password."""
        if self.embedded:
            return self.dsn
        parts = urlsplit(self.dsn)
        user = f"{parts.username}:***@" if parts.password else f"{parts.username}@" if parts.username else ""
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{user}{host}{port}{parts.path}"

    def __repr__(self) -> str:
        return f"StoreUrl({self.shown!r})"

    __str__ = __repr__


_STORE_FORMS: Final = "chdb:///folder, http://user:password@host:8123/database or https://…"


def _store(text: str) -> StoreUrl | None:
    if not text:
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError(_STORE_FORMS) from None
    if parts.scheme == "chdb" and not parts.netloc and len(parts.path) > 1 and not (parts.query or parts.fragment):
        return StoreUrl(f"chdb://{Path(parts.path).absolute()}")
    if parts.scheme in {"http", "https"} and parts.hostname:
        return StoreUrl(text)
    raise ValueError(_STORE_FORMS)


SETTINGS: Final = (
    Setting(
        "store",
        "",
        f"where ClickHouse is: {_STORE_FORMS}; default: the folder store of the data folder, embedded",
        _store,
    ),
    Setting("data", "lambdascope-data", "folder that holds the spool and the embedded store", _folder),
    Setting("host", "127.0.0.1", "address to listen on", _host),
    Setting("grpc_port", "4317", "port of OTLP/gRPC; 0 takes a free one", _port),
    Setting("http_port", "4318", "port of OTLP/HTTP and of /healthz, /readyz, /metrics; 0 takes a free one", _port),
    Setting("sql_port", "8123", "port of SQL over the embedded store; 0 takes a free one", _port),
    Setting(
        "tokens", "", "file with the hashes of the bearer tokens that exports need; without it none is asked for", _file
    ),
    Setting("tls_certificate", "", "PEM file: the certificate of every port, with what leads to its authority", _file),
    Setting("tls_key", "", "PEM file: the private key of the certificate", _file),
    Setting("tls_client_authority", "", "PEM file: who must have signed the certificates of clients", _file),
    Setting(
        "allow_unauthenticated",
        "no",
        "yes: listen on other addresses than this machine's own without tokens (and, for SQL, without passwords)",
        _yes,
    ),
    Setting("redaction", "", "file of rules: which attributes are left out or covered before anything is kept", _file),
    Setting(
        "firehose_keys",
        "",
        "file of the access keys that /firehose asks for, one per line; without it only this machine may deliver",
        _file,
    ),
    Setting(
        "aws",
        "",
        "YAML file of the accounts and regions whose metrics and inventory are asked for; without it, AWS is not asked",
        _file,
    ),
    Setting("max_request_bytes", "16MiB", "largest request as it arrives", size_bytes),
    Setting("max_decompressed_bytes", "64MiB", "largest request after decompression", size_bytes),
    Setting("max_in_flight_bytes", "128MiB", "requests that are held in memory before their answer", size_bytes),
    Setting("spool_max_bytes", "10GiB", "spool on disk; when it is full, clients are told to retry", size_bytes),
    Setting("spool_min_free_bytes", "256MiB", "free disk space that the spool leaves", size_bytes),
    Setting("segment_bytes", "16MiB", "size at which a segment of the spool is closed", size_bytes),
    Setting("segment_items", "50000", "spans, records and points at which a segment is closed", _count),
    Setting("linger_ms", "200", "age at which a segment is closed when the store is waiting for one", _milliseconds),
    Setting("store_timeout_s", "60", "seconds that a ClickHouse server may take over an insert", _seconds),
    Setting("drain_s", "10", "seconds that a stop may spend on storing what is in the spool", _seconds),
    Setting(
        "log_format",
        "text",
        "how the collector's own log is written to stderr: text or json, one line each",
        _log_format,
    ),
    Setting(
        "own_telemetry",
        "",
        "base URL of the OTLP/HTTP receiver that gets the collector's own spans and metrics; it may be this one",
        _url,
    ),
    Setting(
        "alerts",
        "recommended",
        "file of the rules that are evaluated, `recommended` for those that come with the collector, `off` for none",
        _alerts,
    ),
    Setting("role", "all", "receive: store and answer alone; jobs: rollups and tidying alone; all: both", _role),
    Setting("jobs_every_s", "15", "seconds from one pass of the jobs to the next", _seconds),
    Setting("keep_traces_days", "0", "days that spans are kept; 0 is for ever, as with all that follow", _days),
    Setting("keep_logs_days", "0", "days that log records are kept", _days),
    Setting("keep_metrics_days", "0", "days that points of metrics, also of CloudWatch, are kept", _days),
    Setting("keep_invocations_days", "0", "days that invocations and sandboxes are kept", _days),
    Setting("keep_minutes_days", "0", "days that rollups of minutes are kept", _days),
    Setting("keep_rollups_days", "0", "days that rollups of hours and days are kept", _days),
    Setting(
        "store_max_bytes", "", "what the tables may take on disk; above it the oldest day is dropped", _limit_bytes
    ),
    Setting("sql_passwords", "", "file with the hashes of the passwords that queries need, as --tokens", _file),
    Setting("sql_threads", "4", "queries that run at once", _count),
    Setting("sql_max_seconds", "30", "longest query", _seconds),
    Setting("sql_max_memory_bytes", "1GiB", "memory of one query", size_bytes),
    Setting("sql_max_rows", "1000000", "rows of one result", _count),
    Setting("sql_max_result_bytes", "256MiB", "size of one result", size_bytes),
)
"""Every setting, in the order of docs/collector.md."""


@dataclass(frozen=True, slots=True)
class CollectorConfig:
    """What the user set. Fields are the rows of :data:`SETTINGS`."""

    store: StoreUrl
    data: Path
    host: str
    grpc_port: int
    http_port: int
    sql_port: int
    tokens: Path | None
    tls_certificate: Path | None
    tls_key: Path | None
    tls_client_authority: Path | None
    allow_unauthenticated: bool
    redaction: Path | None
    firehose_keys: Path | None
    aws: Path | None
    max_request_bytes: int
    max_decompressed_bytes: int
    max_in_flight_bytes: int
    spool_max_bytes: int
    spool_min_free_bytes: int
    segment_bytes: int
    segment_items: int
    linger_ms: int
    store_timeout_s: float
    drain_s: float
    alerts: Path | str
    role: str
    jobs_every_s: float
    keep_traces_days: int
    keep_logs_days: int
    keep_metrics_days: int
    keep_invocations_days: int
    keep_minutes_days: int
    keep_rollups_days: int
    store_max_bytes: int
    log_format: str
    own_telemetry: str
    sql_passwords: Path | None
    sql_threads: int
    sql_max_seconds: float
    sql_max_memory_bytes: int
    sql_max_rows: int
    sql_max_result_bytes: int

    @property
    def quarantine(self) -> Path:
        """Folder of what ClickHouse refused."""
        return self.data / "quarantine"

    @property
    def spool(self) -> Path:
        """Folder of the spool."""
        return self.data / "spool"


def from_environ(environ: Mapping[str, str], flags: Mapping[str, str | None] | None = None) -> CollectorConfig:
    """Settings from flags, environment and defaults, in this order.

    Raises:
        SetupError: naming the setting, the value and what is wanted.
    """
    given = flags or {}
    values: dict[str, object] = {}
    for setting in SETTINGS:
        text, source = given.get(setting.name), setting.flag
        if text is None:
            text, source = environ.get(setting.variable, setting.default), setting.variable
        try:
            values[setting.name] = setting.parse(text)
        except ValueError as error:
            shown = repr(re.sub(r"//.*@", "//***@", text))  # a store's URL may hold a password
            raise SetupError(f"{source}: {shown} is not {error}") from None
    if values["store"] is None:
        values["store"] = StoreUrl(f"chdb://{Path(str(values['data'])) / 'store'}")
    return CollectorConfig(**values)  # type: ignore[arg-type]  # each parser returns its field's type


def argument_parser() -> argparse.ArgumentParser:
    """The command line. Values stay text here: :func:`from_environ` parses them."""
    settings = argparse.ArgumentParser(add_help=False, usage=argparse.SUPPRESS)
    group = settings.add_argument_group("settings, the same for every command")
    for setting in SETTINGS:
        default = f", default {setting.default}" if setting.default else ""
        shown = f"{setting.help} [{setting.variable}{default}]"
        group.add_argument(setting.flag, dest=setting.name, metavar="VALUE", help=shown.replace("%", "%%"))
    parser = argparse.ArgumentParser(
        prog="python -m collector",
        description="Lambdascope's collector.",
        epilog=settings.format_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("token", help="make a bearer token or password, and its line for the file of --tokens")
    commands.add_parser("serve", parents=[settings], help="receive, store and answer queries (the default)")
    migrate = commands.add_parser("migrate", parents=[settings], help="create or update the tables")
    migrate.add_argument("--print", dest="print_only", action="store_true", help="print the SQL and change nothing")
    migrate.add_argument("--check", action="store_true", help="say what is not applied; exit code 1 where there is any")
    migrate.add_argument("--cluster", metavar="NAME", help="replicated and distributed tables of this cluster")
    migrate.add_argument("--text-indexes", action="store_true", help="text indexes in place of Bloom filters")
    alerts = commands.add_parser("alerts", help="the recommended rules, or what is wrong with a file of your own")
    what = alerts.add_mutually_exclusive_group(required=True)
    what.add_argument("--print", dest="print_only", action="store_true", help="print the recommended rules")
    what.add_argument("--check", type=Path, metavar="FILE", help="say what is wrong with it, or what it asks for")
    load = commands.add_parser("load", parents=[settings], help="newer prices or dates of runtimes (docs/cost.md)")
    load.add_argument("file", type=Path, metavar="FILE", help="tab-separated; its heading says which")
    query = commands.add_parser("query", parents=[settings], help="run one statement that reads")
    query.add_argument("sql", metavar="SQL", help="the statement; - reads it from standard input")
    query.add_argument("--format", dest="form", choices=("table", "json", "csv"), default="table", help="of the output")
    kept = commands.add_parser("quarantine", parents=[settings], help="requests that ClickHouse refused for good")
    kept.add_argument("action", choices=("list", "show", "replay"), help="replay stores them again and forgets them")
    kept.add_argument("names", nargs="*", metavar="NAME", help="as list gives it; without one, all")
    return parser


COMMANDS: Final = ("serve", "migrate", "query", "quarantine", "alerts", "load", "token")


def with_default_command(arguments: Sequence[str]) -> list[str]:
    """``serve`` where no command is named."""
    if arguments and arguments[0] in {*COMMANDS, "-h", "--help"}:
        return list(arguments)
    return ["serve", *arguments]
