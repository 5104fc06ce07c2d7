"""Who may look: the rule as a pure function of what is known about a person. No Streamlit here.

LAMBDASCOPE_AUTH says how people are known: OpenID Connect through Streamlit's own login, a header that a proxy in front
sets, or nobody asks. Where nobody asks, the dashboard listens on loopback, or does not start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Final, Literal

from dashboard.errors import ConfigError

Mode = Literal["loopback", "oidc", "proxy", "none"]

EVERYONE: Final = "*"
GROUP: Final = "group:"


@dataclass(frozen=True, slots=True)
class Identity:
    """A person, as an identity provider or a proxy names them."""

    email: str
    verified: bool = True
    """False where the provider says that nobody has checked the address: it can be anybody's then."""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AllowList:
    """Who may look."""

    entries: tuple[str, ...]
    """Addresses (``ann@example.com``), domains (``@example.com``), groups (``group:oncall``), or ``*``."""

    def allows(self, who: Identity) -> bool:
        """Whether this person is on the list. Addresses count without regard to case (RFC 5321 leaves the local part's
        case to the receiver; no provider in use tells two people apart by it).
        """
        if EVERYONE in self.entries:
            return True
        if any(f"{GROUP}{group}" in self.entries for group in who.groups):
            return True
        email = who.email.casefold()
        domain = f"@{email.rpartition('@')[2]}" if "@" in email else ""
        listed = {entry.casefold() for entry in self.entries}
        return who.verified and bool(email) and (email in listed or domain in listed)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy in front that has asked who is there."""

    header: str
    """The header in which it says so. It must remove what a client sent under that name."""
    addresses: tuple[str, ...]
    """Networks in which the proxy is; from elsewhere the header counts for nothing."""

    def speaks_from(self, peer: str) -> bool:
        """Whether a connection from this address is the proxy's."""
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in ip_network(network) for network in self.addresses)


@dataclass(frozen=True, slots=True)
class Oidc:
    """A client at an OpenID Connect provider."""

    metadata_url: str
    client_id: str
    client_secret: str = field(repr=False)
    cookie_secret: str = field(repr=False)
    redirect_uri: str

    def secrets(self) -> dict[str, str]:
        """What st.login reads, in the form of the section ``auth`` of Streamlit's secrets."""
        return {
            "redirect_uri": self.redirect_uri,
            "cookie_secret": self.cookie_secret,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "server_metadata_url": self.metadata_url,
        }


@dataclass(frozen=True, slots=True)
class Access:
    """How people are known, and who may look."""

    mode: Mode = "loopback"
    allow: AllowList = AllowList(())
    proxy: Proxy | None = None
    oidc: Oidc | None = None


LOOPBACK_NAMES: Final = ("localhost", "ip6-localhost")


def check_address(access: Access, address: str | None) -> None:
    """Hold the dashboard to loopback where nobody asks who is there.

    Args:
        access: the settings.
        address: Streamlit's ``server.address``; None or '' is every address of the machine.

    Raises:
        ConfigError: it would be open to others.
    """
    if access.mode != "loopback" or _is_loopback(address or ""):
        return
    raise ConfigError(
        f"--server.address={address or '(every address)'} would show everything to whoever reaches the port. "
        "Set LAMBDASCOPE_AUTH to oidc or proxy (docs/dashboard.md, Access), or to none where the network "
        "itself is the guard."
    )


def _is_loopback(address: str) -> bool:
    if address in LOOPBACK_NAMES:
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def identity_of(claims: dict[str, object]) -> Identity:
    """The person whom an ID token names (OpenID Connect Core 1.0, section 5.1).

    ``email_verified`` may be missing: a provider that has only its own members leaves it out.
    """
    groups = claims.get("groups")
    named = tuple(str(one) for one in groups) if isinstance(groups, Sequence) and not isinstance(groups, str) else ()
    verified = claims.get("email_verified", True)
    return Identity(str(claims.get("email") or ""), verified in {True, "true"}, named)
