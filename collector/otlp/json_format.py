"""OTLP/JSON, which is protobuf's JSON except that ids are hexadecimal."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Final

from google.protobuf import json_format

from collector.errors import MalformedError

if TYPE_CHECKING:
    from collector.otlp.signals import ExportRequest, Protocol

_ID_KEYS: Final = frozenset({"traceId", "spanId", "parentSpanId"})
_MAX_DEPTH: Final = 100
"""As deep as protobuf itself reads."""


def parse(protocol: Protocol, body: bytes) -> ExportRequest:
    """The request in a JSON body. Unknown fields are ignored, as the specification wants.

    Raises:
        MalformedError: naming what is wrong.
    """
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"the body is not JSON ({error})") from None
    if not isinstance(tree, dict):
        raise MalformedError("the body is not a JSON object")
    message = protocol.request()
    try:
        json_format.ParseDict(
            {key: _converted(key, value, 0) for key, value in tree.items()}, message, ignore_unknown_fields=True
        )
    except (json_format.ParseError, ValueError, TypeError, RecursionError) as error:
        raise MalformedError(f"the body is not an {message.DESCRIPTOR.name} in JSON ({error})") from None
    return message


def _converted(key: str, value: object, depth: int) -> object:
    return _base64_id(key, value) if key in _ID_KEYS else _with_base64_ids(value, depth)


def _with_base64_ids(tree: object, depth: int) -> object:
    """The same tree, ids turned from hexadecimal to protobuf's base64.

    Attribute names are values in OTLP, never keys, so a key of these names is always an id.
    """
    if depth > _MAX_DEPTH:
        raise MalformedError(f"the body is nested deeper than {_MAX_DEPTH} levels")
    if isinstance(tree, list):
        return [_with_base64_ids(item, depth + 1) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {key: _converted(key, value, depth + 1) for key, value in tree.items()}


def _base64_id(key: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64encode(binascii.unhexlify(value)).decode()
    except (binascii.Error, ValueError):
        raise MalformedError(f"{key} is not hexadecimal: {value[:64]!r}") from None
