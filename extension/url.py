"""As much of URLs as an export needs. ``urllib.parse`` costs 13 ms of processor time to import."""

from __future__ import annotations

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Endpoint:
    """Where to send: scheme (http or https), host, port, path with its query."""

    __slots__ = ("host", "path", "port", "scheme")

    def __init__(self, scheme: str, host: str, port: int, path: str) -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path

    @property
    def authority(self) -> str:
        """Host and port, for the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def below(self, path: str) -> Endpoint:
        """The same with `path` added to its own."""
        return Endpoint(self.scheme, self.host, self.port, self.path.rstrip("/") + "/" + path)

    def with_path(self, path: str) -> Endpoint:
        """The same host and port with another path."""
        return Endpoint(self.scheme, self.host, self.port, path)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


class Proxy:
    """An HTTP proxy. Its repr leaves the credentials out."""

    __slots__ = ("_credentials", "host", "port")

    def __init__(self, host: str, port: int, credentials: str) -> None:
        """`credentials`: ``user:password``; empty for none."""
        self.host = host
        self.port = port
        self._credentials = credentials

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What it wants to be told: Proxy-Authorization (RFC 7617), where it has credentials."""
        if not self._credentials:
            return ()
        from binascii import b2a_base64  # noqa: PLC0415 - for proxies that want a password

        return (("Proxy-Authorization", "Basic " + b2a_base64(self._credentials.encode(), newline=False).decode()),)

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"


def parse_url(url: str) -> Endpoint:
    """Read an http or https URL.

    Raises:
        ValueError: it is none, or it has a user or a password in it (which would end up in logs).
    """
    scheme, separator, rest = url.strip().partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS:
        raise ValueError("neither http:// nor https://")
    if any(ord(c) <= 32 or ord(c) > 126 for c in rest):
        raise ValueError("a character that no URL may have")
    rest = rest.partition("#")[0]
    cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, path = rest[:cut], rest[cut:]
    if "@" in authority:
        raise ValueError("a user or a password in it")
    host, port = _host_and_port(authority, _DEFAULT_PORTS[scheme])
    return Endpoint(scheme, host, port, path if path.startswith("/") else "/" + path)


def _host_and_port(authority: str, default: int) -> tuple[str, int]:
    if authority.startswith("["):
        host, bracket, port_text = authority[1:].partition("]")
        if not bracket or (port_text and not port_text.startswith(":")):
            raise ValueError("not an IPv6 address in brackets")
        port_text = port_text[1:]
    else:
        host, _, port_text = authority.partition(":")
    if not host:
        raise ValueError("no host")
    if not port_text:
        return host, default
    if not (port_text.isascii() and port_text.isdigit() and 0 < int(port_text[:6]) < 65536):
        raise ValueError("not a port")
    return host, int(port_text)


def percent_decode(text: str) -> str:
    """Undo percent-encoding; what is not valid stays as it is."""
    if "%" not in text:
        return text
    first, *rest = text.encode("utf-8", "surrogateescape").split(b"%")
    out = bytearray(first)
    for piece in rest:
        digits = piece[:2]
        if len(digits) == 2 and not digits.translate(None, b"0123456789abcdefABCDEF"):
            out.append(int(digits, 16))
            out += piece[2:]
        else:
            out += b"%" + piece
    return out.decode("utf-8", "replace")
