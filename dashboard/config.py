"""The settings, read once from the environment.

:data:`SETTINGS` is the list of them; docs/dashboard.md is tested against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from dashboard.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable."""

    env: str
    default: str
    help: str


SQL_URL: Final = Setting(
    "LAMBDASCOPE_SQL_URL",
    "http://127.0.0.1:8123",
    "ClickHouse's HTTP interface: the collector's, or a server's. http(s)://[user[:password]@]host[:port][/database]",
)
SQL_TIMEOUT_S: Final = Setting(
    "LAMBDASCOPE_SQL_TIMEOUT_S", "20", "Seconds after which a query is given up. A number above 0."
)
SETTINGS: Final = (SQL_URL, SQL_TIMEOUT_S)

DEFAULT_PORTS: Final = {"http": 8123, "https": 8443}


@dataclass(frozen=True, slots=True)
class SqlEndpoint:
    """Where to send SQL, and as whom."""

    scheme: str
    host: str
    port: int
    user: str = "default"
    password: str = field(default="", repr=False)
    database: str = "default"

    @property
    def shown(self) -> str:
        """The URL as it may be seen: without the password."""
        user = "" if self.user == "default" else f"{self.user}@"
        database = "" if self.database == "default" else f"/{self.database}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{user}{host}:{self.port}{database}"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that the environment says."""

    sql: SqlEndpoint
    sql_timeout_s: float


def from_environ(environ: Mapping[str, str]) -> Config:
    """Read the settings.

    Raises:
        ConfigError: a value cannot be used. The message names the variable and never holds a password.
    """
    return Config(
        sql=_endpoint(environ.get(SQL_URL.env) or SQL_URL.default),
        sql_timeout_s=_positive(SQL_TIMEOUT_S, environ.get(SQL_TIMEOUT_S.env) or SQL_TIMEOUT_S.default),
    )


def _endpoint(url: str) -> SqlEndpoint:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # The error's own text may hold a part of the password, such as what follows a colon and is taken for a port.
        raise ConfigError(
            f"{SQL_URL.env} is not a URL: {SQL_URL.help}. Special characters in a password are "
            "percent-encoded, such as %23 for #."
        ) from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ConfigError(
            f"{SQL_URL.env} needs http:// or https:// and a host, and has "
            f"{(parts.scheme + '://') if parts.scheme else 'no scheme'} and "
            f"{parts.hostname or 'no host'}. Example: {SQL_URL.default}"
        )
    return SqlEndpoint(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or DEFAULT_PORTS[parts.scheme],
        user=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.strip("/")) or "default",
    )


def _positive(setting: Setting, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ConfigError(f"{setting.env}={text!r} is not a number above 0. {setting.help}")
    return number
