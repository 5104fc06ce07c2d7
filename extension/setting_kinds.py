"""What a setting's value may be: for each kind a parser, and the words that say what it accepts. Pure."""

from __future__ import annotations

from extension.url import Proxy, parse_url, percent_decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

FLUSH_ADAPTIVE, FLUSH_END, FLUSH_PERIODIC = "adaptive", "end", "periodic"
ON, OFF = "on", "off"
SECRETS_MANAGER, PARAMETER_STORE = "secretsmanager", "ssm"
_OTLP_HTTP_PORT = 4318
_PROC_METRICS_S = 10.0
_PAYLOAD_CHARACTERS, _MOST_PAYLOAD_CHARACTERS = 2048, 16384


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


def parse_pairs(value: str) -> tuple[tuple[str, str], ...]:
    """``name=value,name=value``, percent-encoded.

    Raises:
        ValueError: a pair is none.
    """
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
    pairs = parse_pairs(value)
    for name, text in pairs:
        if not name.isascii() or any(ord(c) <= 32 or c == ":" for c in name) or any(c in text for c in "\r\n\0"):
            raise ValueError(name)
    return pairs


def parse_flush(value: str) -> tuple[str, float]:
    """The mode, and the period of FLUSH_PERIODIC in seconds.

    Raises:
        ValueError: it is none of them.
    """
    mode, comma, seconds = value.lower().partition(",")
    if mode == FLUSH_PERIODIC and comma:
        period_s = float(seconds)
        if not 0 < period_s <= 3600:
            raise ValueError(value)
        return mode, period_s
    if value.lower() not in {FLUSH_ADAPTIVE, FLUSH_END}:
        raise ValueError(value)
    return mode, 0.0


def parse_in_flight(value: str) -> float | None:
    """Seconds; None for off.

    Raises:
        ValueError: it is neither.
    """
    if value.lower() == OFF:
        return None
    after_s = float(value)
    if not 0.1 <= after_s <= 900:
        raise ValueError(value)
    return after_s


def parse_proxy(value: str) -> Proxy:
    """``http://user:password@host:port``; without a scheme that one is meant, and the user may be left out.

    Raises:
        ValueError: it is none.
    """
    scheme, separator, rest = value.partition("://")
    if separator and scheme.lower() != "http":
        raise ValueError(value)
    authority = (rest if separator else scheme).partition("/")[0]
    user, at, host = authority.rpartition("@")
    endpoint = parse_url(f"http://{host}")
    return Proxy(endpoint.host, endpoint.port, percent_decode(user) if at else "")


def parse_secret(value: str) -> tuple[str, str]:
    """``secretsmanager:NAME`` or ``ssm:NAME``: the service, and the name or ARN; both empty for none.

    Raises:
        ValueError: it is neither.
    """
    if not value:
        return "", ""
    service, colon, name = value.partition(":")
    if service.lower() not in {SECRETS_MANAGER, PARAMETER_STORE} or not colon or not name.strip():
        raise ValueError(value)
    return service.lower(), name.strip()


def parse_receiver(value: str) -> int:
    """A port; 0 for off.

    Raises:
        ValueError: it is neither.
    """
    if value.lower() in {ON, OFF}:
        return _OTLP_HTTP_PORT if value.lower() == ON else 0
    if not (value.isascii() and value.isdigit()) or not 1024 <= int(value[:6]) <= 65535:
        raise ValueError(value)
    return int(value)


def parse_payload(value: str) -> int:
    """How many characters of an event are recorded; 0 for none."""
    if value.lower() in {ON, OFF}:
        return _PAYLOAD_CHARACTERS if value.lower() == ON else 0
    if not (value.isascii() and value.isdigit()) or not 1 <= int(value[:8]) <= _MOST_PAYLOAD_CHARACTERS:
        raise ValueError(value)
    return int(value)


def parse_proc_metrics(value: str) -> float | None:
    """Seconds; None for off.

    Raises:
        ValueError: it is neither.
    """
    if value.lower() in {ON, OFF}:
        return _PROC_METRICS_S if value.lower() == ON else None
    period_s = float(value)
    if not 1 <= period_s <= 3600:
        raise ValueError(value)
    return period_s


def parse_state_file(value: str) -> str:
    """A path; empty for off.

    Raises:
        ValueError: it is neither.
    """
    if value.lower() == OFF:
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
    "pairs": Kind("a list such as name=value,name=value", parse_pairs),
    "flush": Kind("adaptive, end, or periodic,SECONDS", parse_flush),
    "in_flight": Kind("a number of seconds from 0.1 to 900, or off", parse_in_flight),
    "spans": Kind("full or compact", _one_of("full", "compact")),
    "switch": Kind("on or off", _one_of(ON, OFF)),
    "queue_bytes": Kind("a number of bytes from 65536 to 67108864", _between(65536, 64 << 20)),
    "state_file": Kind("an absolute path or off", parse_state_file),
    "proxy": Kind("an http:// address", parse_proxy, _may_hold_a_password),
    "secret": Kind("secretsmanager:NAME or ssm:NAME", parse_secret),
    "receiver": Kind("on, off or a port number from 1024 to 65535", parse_receiver),
    "proc_metrics": Kind("on, off or a number of seconds from 1 to 3600", parse_proc_metrics),
    "temporality": Kind("cumulative, delta or lowmemory", _one_of("cumulative", "delta", "lowmemory")),
    "patterns": Kind("regular expressions, one per line", str, _always),
    "payload": Kind("on, off or a number of characters from 1 to 16384", parse_payload),
    "line_characters": Kind("a number of characters from 256 to 1048576", _between(256, 1 << 20)),
    "rate": Kind("a number of lines from 0 to 1000000", _between(0, 1_000_000)),
    "port": Kind("a port number from 0 to 65535", _between(0, 65535)),
}
