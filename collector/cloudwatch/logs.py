"""What CloudWatch Logs tells of invocations: platform records in a subscription's messages. Pure.

"Log group-level subscription filters" of CloudWatch Logs' guide: each record is gzip'd JSON (Firehose can unpack it on
the way): a DATA_MESSAGE with lines of one log stream, or a CONTROL_MESSAGE that only asks whether somebody is there. A
line is one of Lambda's, in JSON (``platform.report``) or as text (``REPORT RequestId: …``); others are passed over.

The report alone is read, since all is in it: so what is made of an invocation does not depend on which lines came
together, and a repeat makes the same again.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from collector.cloudwatch.point import Fault, Reason

MAX_MESSAGE_BYTES: Final = 64 << 20
"""After unpacking: a record of Firehose has at most 1,024,000 bytes before."""
GZIP: Final = b"\x1f\x8b"
_MESSAGE_TYPE: Final = b'"messageType"'
_STREAM: Final = re.compile(r"\d{4}/\d{2}/\d{2}/(?P<function>[^\[\]]*)\[(?P<version>[^\]]+)\](?P<sandbox>\w+)")
_GROUP: Final = "/aws/lambda/"
_REPORT: Final = re.compile(r"REPORT RequestId: (?P<id>[0-9a-fA-F-]{8,64})\s(?P<rest>.*)", re.DOTALL)
_PAIR: Final = re.compile(r"(?P<name>[A-Z][A-Za-z ]+): (?P<value>[^\t\n]*)")
_XRAY: Final = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})")
_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """The sandbox that a log stream is of.

    Attributes:
        region: where the delivery came from: the message does not say it.
        log_stream: stands for the sandbox, of which a log knows no other name.
    """

    account_id: str
    region: str
    function: str
    version: str
    log_group: str
    log_stream: str


@dataclass(frozen=True, slots=True)
class Report:
    """The end of one attempt of an invocation. What was not told is None or empty.

    Attributes:
        end_unix_ns: when it was over.
        status: ``success``, ``timeout``, ``failure``, ``error``.
        trace_id: of X-Ray, 32 hexadecimal digits.
    """

    source: Source
    request_id: str
    end_unix_ns: int
    duration_ms: float
    billed_ms: float | None
    memory_mb: int | None
    max_memory_used_mb: int | None
    init_ms: float | None
    restore_ms: float | None
    status: str
    error_type: str
    trace_id: str


def is_logs(data: bytes) -> bool:
    """Whether a record is a subscription's message, packed or not."""
    return data.startswith(GZIP) or (data.lstrip().startswith(b"{") and _MESSAGE_TYPE in data[:4096])


def read(data: bytes, region: str) -> tuple[list[Report], list[Fault]]:
    """The reports in a record, and what of it is none. Raises nothing.

    Args:
        data: one or several messages, one after the other.
        region: of the delivery stream.
    """
    reports: list[Report] = []
    faults: list[Fault] = []
    try:
        content = _unpacked(data) if data.startswith(GZIP) else data
        text = content.decode().strip()
    except (zlib.error, ValueError) as error:
        return [], [Fault(Reason.BAD_LOGS, f"neither gzip nor text ({error})"[:200], data)]
    decoder = json.JSONDecoder()
    position = 0
    while position < len(text):
        try:
            message, end = decoder.raw_decode(text, position)
            reports += _of_message(message, region)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            faults.append(Fault(Reason.BAD_LOGS, str(error)[:200], text[position:].encode(errors="surrogatepass")))
            break
        position = end + (len(text[end:]) - len(text[end:].lstrip()))
    return reports, faults


def _unpacked(data: bytes) -> bytes:
    """All members of a gzip file. Raises zlib.error, and ValueError for more than there may be."""
    parts: list[bytes] = []
    size = 0
    while data:
        unpacker = zlib.decompressobj(wbits=31)
        parts.append(unpacker.decompress(data, MAX_MESSAGE_BYTES + 1 - size))
        size += len(parts[-1])
        if size > MAX_MESSAGE_BYTES:
            raise ValueError(f"more than {MAX_MESSAGE_BYTES} bytes")
        if not unpacker.eof:
            raise zlib.error("it is cut off")
        data = unpacker.unused_data
    return b"".join(parts)


def _of_message(message: Mapping[str, Any], region: str) -> list[Report]:
    if message["messageType"] != "DATA_MESSAGE":
        return []
    group, stream = str(message["logGroup"]), str(message["logStream"])
    match = _STREAM.fullmatch(stream)
    function = (match["function"] if match else "") or group.removeprefix(_GROUP)
    if match is None or "/" in function:
        raise ValueError(f"{group} {stream} is not the log of a Lambda function")
    source = Source(str(message.get("owner", "")), region, function, match["version"], group, stream)
    found = (_of_event(event, source) for event in message["logEvents"])
    return [report for report in found if report is not None]


def _of_event(event: Mapping[str, Any], source: Source) -> Report | None:
    text = str(event["message"])
    if text.startswith("REPORT "):
        return _of_text(text, int(event["timestamp"]) * _NS_PER_MS, source)
    if "platform.report" not in text:
        return None
    try:
        line = json.loads(text)
    except ValueError:
        return None  # a function may print whatever it likes
    if not isinstance(line, dict) or line.get("type") != "platform.report":
        return None
    return _of_json(line, source)


def _of_text(text: str, end_unix_ns: int, source: Source) -> Report | None:
    match = _REPORT.match(text)
    if match is None:
        return None
    values = {pair["name"].strip(): pair["value"].strip() for pair in _PAIR.finditer(match["rest"])}
    duration_ms = _number(values.get("Duration"))
    if duration_ms is None:
        return None
    xray = _XRAY.search(values.get("TraceId", "") or values.get("XRAY TraceId", ""))
    error_type = values.get("Error Type", "")
    return Report(
        source,
        match["id"],
        end_unix_ns,
        duration_ms,
        _number(values.get("Billed Duration")),
        _whole(values.get("Memory Size")),
        _whole(values.get("Max Memory Used")),
        _number(values.get("Init Duration")),
        _number(values.get("Restore Duration")),
        values.get("Status", "") or ("error" if error_type else "success"),
        error_type,
        xray[1] + xray[2] if xray else "",
    )


def _of_json(line: Mapping[str, Any], source: Source) -> Report:
    record = line["record"]
    metrics = record["metrics"]
    end = datetime.fromisoformat(str(line["time"]))
    xray = _XRAY.search(str((record.get("tracing") or {}).get("value", "")))
    return Report(
        source,
        str(record["requestId"]),
        round(end.timestamp() * 1000) * _NS_PER_MS,
        float(metrics["durationMs"]),
        _number(metrics.get("billedDurationMs")),
        _whole(metrics.get("memorySizeMB")),
        _whole(metrics.get("maxMemoryUsedMB")),
        _number(metrics.get("initDurationMs")),
        _number(metrics.get("restoreDurationMs")),
        str(record.get("status", "")),
        str(record.get("errorType") or ""),
        xray[1] + xray[2] if xray else "",
    )


def _number(value: Any) -> float | None:
    """``12.34 ms``, or a number."""
    if value is None:
        return None
    try:
        return float(str(value).split(" ")[0])
    except ValueError:
        return None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else round(number)
