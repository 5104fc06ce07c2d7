"""Amazon Data Firehose's delivery to an HTTP endpoint: the request bodies, and a sender that retries as Firehose does.

The contract is "Understand HTTP endpoint delivery request and response specifications" of Firehose's guide. The one
departure: any URL will do, plain HTTP on any port included.
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import random
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from emulator.metrics.errors import RejectedError, RetriesOverError

MAX_RECORDS: Final = 10_000
MAX_RECORD_BYTES: Final = 1_024_000
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request: its id stays the same over all retries."""

    request_id: str
    body: bytes


def deliveries(
    records: Iterable[bytes], new_id: Callable[[], str], timestamp_ms: int, buffer_bytes: int = 1024 * 1024
) -> Iterator[Delivery]:
    """Gather records into request bodies within Firehose's limits.

    Args:
        records: none may be above 1,024,000 bytes.
        new_id: makes request ids.
        timestamp_ms: when Firehose made the requests.
        buffer_bytes: the buffer hint: a body is closed when its encoded records have reached it.

    Raises:
        ValueError: a record above the limit.
    """
    buffered: list[bytes] = []
    size_bytes = 0
    for record in records:
        if len(record) > MAX_RECORD_BYTES:
            raise ValueError(f"a record of {len(record)} bytes; Firehose takes at most {MAX_RECORD_BYTES}")
        data = base64.b64encode(record)
        buffered.append(data)
        size_bytes += len(data)
        if size_bytes >= min(buffer_bytes, MAX_BODY_BYTES // 2) or len(buffered) == MAX_RECORDS:
            yield _delivery(buffered, new_id(), timestamp_ms)
            buffered, size_bytes = [], 0
    if buffered:
        yield _delivery(buffered, new_id(), timestamp_ms)


def _delivery(buffered: list[bytes], request_id: str, timestamp_ms: int) -> Delivery:
    """Put together by hand: base64 needs no escaping, and to look for that takes longer than everything else."""
    head = json.dumps({"requestId": request_id, "timestamp": timestamp_ms})[:-1].encode()
    records = b'"},{"data":"'.join(buffered)
    return Delivery(request_id, b'%b, "records": [{"data":"%b"}]}' % (head, records))


@dataclass(frozen=True, slots=True)
class FirehoseSettings:
    """Where to deliver, and for how long to try."""

    url: str
    access_key: str | None = field(default=None, repr=False)
    delivery_stream_arn: str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/emulated"
    common_attributes: dict[str, str] = field(default_factory=dict)
    retry_duration_s: float = 300.0
    timeout_s: float = 180.0
    """Firehose waits three minutes for an answer."""


class FirehoseSender:
    """Delivers one request after the other over one connection, kept open.

    Args:
        settings: where to.
        draw: the jitter's source of chance.
        sleep: waits between attempts, in seconds.
    """

    def __init__(
        self,
        settings: FirehoseSettings,
        draw: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self._draw = draw or random.Random()
        self._sleep = sleep
        url = urllib.parse.urlsplit(settings.url)
        self._path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        self._connection = connection(url.netloc, timeout=settings.timeout_s)

    def send(self, delivery: Delivery) -> None:
        """Deliver, trying again as Firehose does.

        Raises:
            RejectedError: status 413, after which Firehose drops the batch for good.
            RetriesOverError: no good answer within the retry duration.
        """
        waited_s = 0.0
        attempt = 0
        while True:
            answer = self._attempt(delivery)
            if answer is None:
                return
            if answer.startswith("status 413"):
                raise RejectedError(f"delivery {delivery.request_id}: {answer}")
            delay_s = min(120.0, 2.0**attempt) * self._draw.uniform(0.85, 1.15)
            if waited_s + delay_s > self.settings.retry_duration_s:
                raise RetriesOverError(f"delivery {delivery.request_id}: {answer}, after {attempt + 1} attempts")
            _LOG.warning("delivery %s: %s; next attempt in %.1f s", delivery.request_id, answer, delay_s)
            self._sleep(delay_s)
            waited_s += delay_s
            attempt += 1

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._connection.close()

    def _attempt(self, delivery: Delivery) -> str | None:
        """One attempt: None for success, else what was wrong with the answer."""
        try:
            self._connection.request("POST", self._path, delivery.body, self._headers(delivery))
            response = self._connection.getresponse()
            body = response.read(1024 * 1024 + 1)
            response.close()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return f"no answer ({error or type(error).__name__})"
        if response.status != http.HTTPStatus.OK:
            return f"status {response.status}: {body[:200].decode(errors='replace')}"
        return _fault(delivery, response.headers.get("Content-Type", ""), body)

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Amazon Kinesis Data Firehose Agent/1.0",
            "X-Amz-Firehose-Protocol-Version": "1.0",
            "X-Amz-Firehose-Request-Id": delivery.request_id,
            "X-Amz-Firehose-Source-Arn": self.settings.delivery_stream_arn,
        }
        if self.settings.access_key is not None:
            headers["X-Amz-Firehose-Access-Key"] = self.settings.access_key
        if self.settings.common_attributes:
            attributes = {"commonAttributes": self.settings.common_attributes}
            headers["X-Amz-Firehose-Common-Attributes"] = json.dumps(attributes)
        return headers


def _fault(delivery: Delivery, content_type: str, body: bytes) -> str | None:
    """What makes an answer with status 200 malformed, which counts as a failure."""
    if not content_type.startswith("application/json"):
        return f"malformed answer: content type {content_type!r}"
    try:
        answer = json.loads(body)
    except ValueError:
        return "malformed answer: not JSON"
    if not isinstance(answer, dict) or answer.get("requestId") != delivery.request_id:
        return "malformed answer: not this request's id"
    return None if isinstance(answer.get("timestamp"), int) else "malformed answer: no timestamp"
