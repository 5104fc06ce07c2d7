"""The envelope in which Firehose delivers records to an HTTP endpoint, and what is in a delivery. Pure.

"Understand HTTP endpoint delivery request and response specifications" of Firehose's guide.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Final

from collector.cloudwatch import logs
from collector.cloudwatch.logs import Report
from collector.cloudwatch.point import Fault, Point, Reason
from collector.cloudwatch.sniff import read_record
from collector.errors import MalformedError

MAX_BODY_BYTES: Final = 65 << 20
"""The contract's 64 MiB, before compression, and a little for those that count it otherwise."""

CHANGE_THE_FORMAT: Final = (
    "the metric stream sends OpenTelemetry 0.7, which is not read here: set the stream's output format to "
    "OpenTelemetry 1.0 or JSON (aws cloudwatch put-metric-stream … --output-format opentelemetry1.0)"
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a request holds: points and reports to store, and pieces that cannot be.

    Attributes:
        reports: ends of invocations, where a log subscription delivers.
        faults: each with the number of its record, from 0.
    """

    records: int
    points: list[Point]
    reports: list[Report]
    faults: list[tuple[int, Fault]]


def read_delivery(body: bytes, request_id: str, region: str = "") -> Delivery:
    """Everything in a body. A record that is not good costs only itself.

    Args:
        body: without its content encoding.
        request_id: of the header; the body must say the same.
        region: of the delivery stream, for what does not say it itself.

    Raises:
        MalformedError: the body is not a delivery, or not this one, or all there is in it is OpenTelemetry 0.7:
            Firehose shows the message to whoever set it up, keeps trying, and backs the records up in the end.
    """
    records = _records(body, request_id)
    points: list[Point] = []
    reports: list[Report] = []
    faults: list[tuple[int, Fault]] = []
    for index, record in enumerate(records):
        data = _data(record)
        if isinstance(data, Fault):
            faults.append((index, data))
            continue
        if logs.is_logs(data):
            found, bad = logs.read(data, region)
            reports += found
            faults += [(index, fault) for fault in bad]
            continue
        reading = read_record(data)
        points += reading.points
        faults += [(index, fault) for fault in reading.faults]
    if not (points or reports) and any(fault.reason is Reason.OPENTELEMETRY_0_7 for _, fault in faults):
        raise MalformedError(CHANGE_THE_FORMAT)
    return Delivery(len(records), points, reports, faults)


def _records(body: bytes, request_id: str) -> list[Any]:
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"the body is not JSON ({error})") from None
    if not isinstance(envelope, dict) or not isinstance(envelope.get("records"), list):
        raise MalformedError("the body is not an object with a list of records")
    if envelope.get("requestId") != request_id:
        raise MalformedError("requestId in the body is not that of the header X-Amz-Firehose-Request-Id")
    return list(envelope["records"])


def _data(record: Any) -> bytes | Fault:
    encoded = record.get("data") if isinstance(record, dict) else None
    if not isinstance(encoded, str):
        piece = json.dumps(record).encode()
        return Fault(Reason.BAD_ENVELOPE, "a record without data", piece)
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        return Fault(Reason.BAD_ENVELOPE, f"data is not base64 ({error})", encoded.encode(errors="surrogatepass"))
