"""Records of a metric stream in JSON format: one object per point, each on a line of its own.

"CloudWatch metric stream output in JSON format" of CloudWatch's guide. Read more liberally than written: the last
newline may be missing, objects may follow one another without newlines or have them inside, and a line that is not an
object costs only itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from collector.cloudwatch.errors import PointError
from collector.cloudwatch.point import (
    DEFAULT_PERIOD_S,
    Fault,
    Point,
    Reading,
    Reason,
    dimension_set,
    number,
    text,
    time_s,
)
from collector.cloudwatch.registry import PERIODS_S

_WHITESPACE: Final = re.compile(r"[ \t\r\n]*")
_BASIC: Final = frozenset({"count", "sum", "min", "max"})


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def read(data: bytes) -> Reading:
    """The points of a record, and the lines that are none. Raises nothing."""
    reading = Reading()
    for piece in _pieces(data):
        if isinstance(piece, str):
            _read_text(piece, reading)
        else:
            reading.faults.append(Fault(Reason.BAD_JSON, "not UTF-8", piece))
    return reading


def _pieces(data: bytes) -> Iterator[str | bytes]:
    """All of it as text; where it is not UTF-8, line by line, so that only the bad ones stay bytes."""
    try:
        yield data.decode()
    except UnicodeDecodeError:
        for line in data.split(b"\n"):
            try:
                yield line.decode()
            except UnicodeDecodeError:
                yield line


def _read_text(content: str, reading: Reading) -> None:
    position = _skip(content, 0)
    while position < len(content):
        start = position
        try:
            document, position = _DECODER.raw_decode(content, start)
            if not isinstance(document, dict):
                raise PointError("not an object")  # its line is put aside like one that is no JSON
        except (ValueError, RecursionError) as error:
            position = _end_of_line(content, start)
            reading.faults.append(_fault(Reason.BAD_JSON, error, content[start:position]))
        else:
            _read_document(document, content[start:position], reading)
        position = _skip(content, position)


def _skip(content: str, position: int) -> int:
    match = _WHITESPACE.match(content, position)
    assert match is not None
    return match.end()


def _end_of_line(content: str, position: int) -> int:
    end = content.find("\n", position)
    return len(content) if end < 0 else end


def _fault(reason: Reason, error: Exception, piece: str) -> Fault:
    return Fault(reason, str(error)[:200], piece.encode(errors="surrogatepass"))


def _read_document(document: dict[str, Any], piece: str, reading: Reading) -> None:
    if "metric_name" in document:
        reading.messages += 1
    try:
        reading.points.append(point(document))
    except PointError as error:
        reading.faults.append(_fault(Reason.BAD_POINT, error, piece))


def point(document: dict[str, Any]) -> Point:
    """The point of one object. Only its name, time and values are indispensable.

    The format does not say how long the period is: the registry does, for the few metrics that differ.

    Raises:
        PointError: a field is missing or is not what it should be.
    """
    namespace = text(document.get("namespace", ""), "namespace")
    name = text(document.get("metric_name"), "metric_name")
    if not name:
        raise PointError("metric_name is empty")
    values = document.get("value")
    if type(values) is not dict:
        raise PointError("value is not an object")
    dimensions = _dimensions(document.get("dimensions"))
    statistics = {text(key, "a statistic's name"): number(value, key) for key, value in values.items()}
    return Point(
        namespace,
        name,
        dimensions,
        dimension_set(dimensions),
        time_s(int(number(document.get("timestamp"), "timestamp") // 1000)),
        PERIODS_S.get((namespace, name), DEFAULT_PERIOD_S),
        statistics.get("sum"),
        statistics.get("min"),
        statistics.get("max"),
        statistics.get("count"),
        {key: value for key, value in statistics.items() if key not in _BASIC},
        text(document.get("unit", "None"), "unit"),
        text(document.get("account_id", ""), "account_id"),
        text(document.get("region", ""), "region"),
    )


def _dimensions(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if type(value) is not dict:
        raise PointError("dimensions is not an object")
    return {text(key, "a dimension's name"): text(item, key) for key, item in value.items()}
