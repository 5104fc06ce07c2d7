"""The settings, read once from the environment.

:data:`SETTINGS` is the list of them; docs/dashboard.md is tested against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final, get_args
from urllib.parse import unquote, urlsplit

from dashboard.access import Access, AllowList, Mode, Oidc, Proxy
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
AHEAD_PERCENT: Final = Setting(
    "LAMBDASCOPE_SQL_AHEAD_PERCENT",
    "20",
    "Per cent of the time in which it may ask what viewers are likely to look at next, from 0 (never) to 100.",
)
AUTH: Final = Setting(
    "LAMBDASCOPE_AUTH",
    "loopback",
    "How people are known: oidc (OpenID Connect), proxy (a header that a proxy in front sets), loopback (nobody asks, "
    "and the dashboard refuses to listen elsewhere), none (nobody asks).",
)
ALLOW: Final = Setting(
    "LAMBDASCOPE_AUTH_ALLOW",
    "",
    "Who may look, with oidc and proxy: addresses, @domains and group:NAME, separated by commas; * is everyone whom "
    "the provider or proxy lets in. Needed there.",
)
PROXY_HEADER: Final = Setting(
    "LAMBDASCOPE_AUTH_PROXY_HEADER", "X-Forwarded-Email", "The header in which the proxy names the person."
)
PROXY_ADDRESSES: Final = Setting(
    "LAMBDASCOPE_AUTH_PROXY_ADDRESSES",
    "127.0.0.0/8,::1/128",
    "Networks in which the proxy is, separated by commas; the header counts from there alone.",
)
OIDC_METADATA_URL: Final = Setting(
    "LAMBDASCOPE_OIDC_METADATA_URL", "", "The provider's https://…/.well-known/openid-configuration."
)
OIDC_CLIENT_ID: Final = Setting("LAMBDASCOPE_OIDC_CLIENT_ID", "", "The client's id at the provider.")
OIDC_CLIENT_SECRET: Final = Setting("LAMBDASCOPE_OIDC_CLIENT_SECRET", "", "Its secret. Never shown.")
OIDC_COOKIE_SECRET: Final = Setting(
    "LAMBDASCOPE_OIDC_COOKIE_SECRET", "", "What the cookie is signed with: 32 random characters or more. Never shown."
)
OIDC_REDIRECT_URI: Final = Setting(
    "LAMBDASCOPE_OIDC_REDIRECT_URI",
    "",
    "The dashboard's own address and /oauth2callback, as registered at the provider.",
)
OIDC: Final = (OIDC_METADATA_URL, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET, OIDC_COOKIE_SECRET, OIDC_REDIRECT_URI)
SETTINGS: Final = (SQL_URL, SQL_TIMEOUT_S, AHEAD_PERCENT, AUTH, ALLOW, PROXY_HEADER, PROXY_ADDRESSES, *OIDC)

COOKIE_SECRET_CHARACTERS: Final = 32

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
    ahead_share: float
    """Of the time, in which it may ask what nobody waits for yet."""
    access: Access


def from_environ(environ: Mapping[str, str]) -> Config:
    """Read the settings.

    Raises:
        ConfigError: a value cannot be used. The message names the variable and never holds a password.
    """
    return Config(
        sql=_endpoint(environ.get(SQL_URL.env) or SQL_URL.default),
        sql_timeout_s=_positive(SQL_TIMEOUT_S, environ.get(SQL_TIMEOUT_S.env) or SQL_TIMEOUT_S.default),
        ahead_share=_percent(AHEAD_PERCENT, environ.get(AHEAD_PERCENT.env) or AHEAD_PERCENT.default) / 100,
        access=_access(environ),
    )


def _access(environ: Mapping[str, str]) -> Access:
    said = environ.get(AUTH.env) or AUTH.default
    mode = next((one for one in get_args(Mode) if one == said), None)
    if mode is None:
        raise ConfigError(f"{AUTH.env}={said!r} is none of {', '.join(get_args(Mode))}.")
    if mode not in {"oidc", "proxy"}:
        return Access(mode)
    allow = _listed(environ.get(ALLOW.env, ""))
    if not allow:
        raise ConfigError(f"{AUTH.env}={mode} needs {ALLOW.env}: {ALLOW.help}")
    return Access(
        mode,
        AllowList(allow),
        proxy=_proxy(environ) if mode == "proxy" else None,
        oidc=_oidc(environ) if mode == "oidc" else None,
    )


def _proxy(environ: Mapping[str, str]) -> Proxy:
    networks = _listed(environ.get(PROXY_ADDRESSES.env) or PROXY_ADDRESSES.default)
    for network in networks:
        try:
            ip_network(network)
        except ValueError as error:
            raise ConfigError(f"{PROXY_ADDRESSES.env}: {error}. Example: {PROXY_ADDRESSES.default}") from None
    return Proxy(environ.get(PROXY_HEADER.env) or PROXY_HEADER.default, networks)


def _oidc(environ: Mapping[str, str]) -> Oidc:
    missing = [setting.env for setting in OIDC if not environ.get(setting.env)]
    if missing:
        raise ConfigError(f"{AUTH.env}=oidc needs {', '.join(missing)} too.")
    cookie_secret = environ[OIDC_COOKIE_SECRET.env]
    if len(cookie_secret) < COOKIE_SECRET_CHARACTERS:
        raise ConfigError(
            f"{OIDC_COOKIE_SECRET.env} has {len(cookie_secret)} characters and needs {COOKIE_SECRET_CHARACTERS} or "
            "more: whoever guesses it signs in as anybody."
        )
    return Oidc(
        metadata_url=environ[OIDC_METADATA_URL.env],
        client_id=environ[OIDC_CLIENT_ID.env],
        client_secret=environ[OIDC_CLIENT_SECRET.env],
        cookie_secret=cookie_secret,
        redirect_uri=environ[OIDC_REDIRECT_URI.env],
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(one for one in (part.strip() for part in text.split(",")) if one)


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


def _percent(setting: Setting, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise ConfigError(f"{setting.env}={text!r} is not a number from 0 to 100. {setting.help}")
    return number
