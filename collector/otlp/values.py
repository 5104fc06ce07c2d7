"""OTLP's attribute values, ids and times as ClickHouse stores them."""

from __future__ import annotations

import base64
import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

Attributes = dict[str, str]

MAX_TIME_UNIX_NANO: Final = (1 << 63) - 1
"""Latest time of a ``DateTime64(9)``, in the year 2262. A later one is stored as this one."""

SERVICE_NAME: Final = "service.name"


def time(unix_nano: int) -> int:
    """Nanoseconds since the epoch, within what ``DateTime64(9)`` holds."""
    return min(unix_nano, MAX_TIME_UNIX_NANO)


def text(value: AnyValue) -> str:
    """Any attribute value as text: strings as they are, ``true``, ``1``, ``1.5``, bytes in base64, the rest as JSON.

    JSON is deterministic (keys sorted, no blanks), so that equal values are equal strings.
    """
    if value.HasField("string_value"):  # by far the most frequent
        return value.string_value
    plain = _plain(value)
    if plain is None:
        return ""
    if isinstance(plain, str):
        return plain
    if isinstance(plain, float):
        return _number(plain)
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _number(value: float) -> str:
    """As ClickHouse writes it: the fewest digits that read back the same; an exponent below 1e-6 and from 1e21."""
    if not math.isfinite(value) or value == 0:
        return "0" if value == 0 else json.dumps(value)
    number = Decimal(repr(value))
    if 1e-6 <= abs(value) < 1e21:
        text = f"{number:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    sign, digits, _ = number.as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    return f"{'-' * sign}{text[0]}{'.' * (len(text) > 1)}{text[1:]}e{number.adjusted()}"


def _plain(value: AnyValue) -> object:
    """The value as Python's own types, for JSON."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: _plain(item.value) for item in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    plain: object = getattr(value, kind)
    return plain


def attributes(pairs: Iterable[KeyValue]) -> Attributes:
    """A map with its keys sorted, as the exporter writes it: it compresses better and hashes the same.

    Of a key that comes twice, which OTLP forbids, the last one stays.
    """
    return dict(sorted({pair.key: text(pair.value) for pair in pairs}.items()))
