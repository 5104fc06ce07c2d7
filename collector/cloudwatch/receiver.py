"""/firehose: Amazon Data Firehose's delivery to an HTTP endpoint.

Firehose takes status 200 with exactly its answer for success and drops a batch for good at 413, which is never sent
here. Anything else it repeats, the same bytes under the same request id, until its retry duration is over; then it
writes the batch to its backup bucket. So what cannot get better by a repeat is put aside and acknowledged.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Final

from aiohttp import web

from collector.cloudwatch.access import Caller
from collector.cloudwatch.delivery import MAX_BODY_BYTES, Delivery, read_delivery
from collector.cloudwatch.errors import AccessKeyError
from collector.cloudwatch.log_spans import Attempts
from collector.cloudwatch.log_spans import request as spans_of
from collector.cloudwatch.spooled import encode
from collector.errors import (
    MalformedError,
    RequestError,
    TooLargeError,
    UnavailableError,
    UnsupportedTypeError,
)
from collector.otlp.signals import Signal
from collector.receiver.compression import decompress
from collector.receiver.http import read_body
from collector.spool.record import ExportId, Record
from collector.spool.spool import FULL_RETRY_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.cloudwatch.access import Access
    from collector.cloudwatch.counters import FirehoseCounters
    from collector.cloudwatch.quarantine import Quarantine
    from collector.receiver.intake import Intake

log = logging.getLogger(__name__)

PATH: Final = "/firehose"
REQUEST_ID: Final = "X-Amz-Firehose-Request-Id"
ACCESS_KEY: Final = "X-Amz-Firehose-Access-Key"
SOURCE_ARN: Final = "X-Amz-Firehose-Source-Arn"
MAX_HEADER_BYTES: Final = 128 << 10
"""Of one header: X-Amz-Firehose-Common-Attributes holds up to 50 pairs of 256 and 1,024 characters."""

STATUSES: Final = {
    AccessKeyError: 401,
    MalformedError: 400,
    UnsupportedTypeError: 415,
    TooLargeError: 400,  # never 413, at which Firehose drops the batch and does not back it up
    UnavailableError: 503,
}
_MAX_REQUEST_ID: Final = 256
_MAX_ERROR_MESSAGE: Final = 8192
_LOG_EVERY_S: Final = 60.0


class FirehoseReceiver:
    """The handler of one endpoint."""

    def __init__(
        self,
        intake: Intake,
        access: Access,
        quarantine: Quarantine,
        counters: FirehoseCounters,
        now_unix_nano: Callable[[], int],
    ) -> None:
        self._intake = intake
        self._access = access
        self._quarantine = quarantine
        self._counters = counters
        self._now_unix_nano = now_unix_nano
        self._logged_s = -_LOG_EVERY_S
        self._attempts = Attempts()

    async def handle(self, request: web.Request) -> web.Response:
        """POST /firehose."""
        request_id = request.headers.get(REQUEST_ID, "")
        try:
            await self._accept(request, request_id)
        except RequestError as error:
            self._intake.refused(error)
            return self._answer(request_id, STATUSES[type(error)], str(error))
        return self._answer(request_id, 200)

    def _answer(self, request_id: str, status: int, error: str | None = None) -> web.Response:
        body: dict[str, str | int] = {"requestId": request_id, "timestamp": self._now_unix_nano() // 1_000_000}
        if error is not None:
            body["errorMessage"] = error[:_MAX_ERROR_MESSAGE]
        # The contract has no charset in the content type, hence bytes.
        return web.Response(body=json.dumps(body).encode(), status=status, content_type="application/json")

    async def _accept(self, request: web.Request, request_id: str) -> None:
        """Return once the delivery may be acknowledged."""
        forwarded = "Forwarded" in request.headers or "X-Forwarded-For" in request.headers
        self._access.check(Caller(request.headers.get(ACCESS_KEY), request.remote or "", forwarded))
        if not request_id:
            raise MalformedError(f"the header {REQUEST_ID} is missing")
        if len(request_id) > _MAX_REQUEST_ID or not request_id.isprintable():
            raise MalformedError(f"the header {REQUEST_ID} is not an id")
        with self._intake.admit(request.content_length or 0, MAX_BODY_BYTES) as admission:
            body = await read_body(request, MAX_BODY_BYTES, admission)
            encoding = request.headers.get("Content-Encoding", "")
            plain = await asyncio.to_thread(decompress, body, encoding, MAX_BODY_BYTES)
            if plain is not body:
                admission.grow(len(plain))
            await self._keep(plain, request_id, _region_of(request.headers.get(SOURCE_ARN, "")))

    async def _keep(self, body: bytes, request_id: str, region: str) -> None:
        received_unix_nano = self._now_unix_nano()

        def read() -> tuple[Delivery, bytes]:
            delivery = read_delivery(body, request_id, region)
            return delivery, encode(delivery.points, received_unix_nano)

        delivery, encoded = await asyncio.to_thread(read)
        if delivery.faults:
            await self._put_aside(delivery, request_id)
        export_id = ExportId.of_request(request_id)  # of each signal apart
        if delivery.points:
            points = len(delivery.points)
            await self._intake.store_once(Record(Signal.CLOUDWATCH, points, received_unix_nano, export_id, encoded))
        if delivery.reports:
            spans = spans_of(delivery.reports, self._attempts).SerializeToString(deterministic=True)
            count = 2 * len(delivery.reports)
            await self._intake.store_once(Record(Signal.TRACES, count, received_unix_nano, export_id, spans))
        self._counters.records += delivery.records
        for _, fault in delivery.faults:
            self._counters.faults[fault.reason] += 1

    async def _put_aside(self, delivery: Delivery, request_id: str) -> None:
        """Keep what cannot be stored: after an acknowledgement nobody else has it."""
        try:
            kept = await asyncio.to_thread(self._quarantine.keep, request_id, delivery.faults)
        except OSError as error:
            reason = f"the quarantine cannot be written: {error.strerror or error}"
            raise UnavailableError(reason, retry_after_s=FULL_RETRY_S) from None
        if not kept:
            self._counters.dropped_faults += len(delivery.faults)
        if time.monotonic() - self._logged_s >= _LOG_EVERY_S:
            self._logged_s = time.monotonic()
            index, fault = delivery.faults[0]
            log.warning(
                "firehose: %d pieces of request %s %s; the first, in record %d: %s (%s)",
                len(delivery.faults),
                request_id,
                "are in the quarantine" if kept else "were dropped, as the quarantine is full",
                index,
                fault.reason.value,
                fault.detail,
            )


def _region_of(arn: str) -> str:
    """Of ``arn:aws:firehose:region:account:deliverystream/name``; empty where it is none."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 5 else ""
