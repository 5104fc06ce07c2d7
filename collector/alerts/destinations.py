"""Telling people: HTTP and SNS. A destination that does not answer is tried again, and no URL is in any message."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import urllib3

from collector.alerts.errors import DeliveryError
from collector.alerts.notification import Notification, as_json, as_mail, as_slack
from collector.alerts.rules import Destination

log = logging.getLogger(__name__)

_TIMEOUT: Final = urllib3.Timeout(connect=5, read=10)
_PAUSES_S: Final = (1.0, 4.0)
"""Between tries within one evaluation; what failed then is tried again with the next ones."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one notification at one destination."""

    destination: str
    delivered: bool
    attempts: int
    error: str = ""
    lasting: bool = False
    """Whether trying again is of no use."""


Send = Callable[[Destination, Notification], None]
"""Tells one destination.

Raises:
    DeliveryError: it did not take it.
"""


def deliver(
    to: Destination, one: Notification, send: Send | None = None, pause: Callable[[float], None] = time.sleep
) -> Outcome:
    """Tell a destination, with a few tries. Blocking, at most about a minute."""
    for attempts, wait_s in enumerate((*_PAUSES_S, None), 1):
        try:
            (send or _SENDERS[to.kind])(to, one)
        except DeliveryError as error:
            if error.lasting or wait_s is None:
                log.warning("alert %s: destination %s: %s", one.rule, to.name, error)
                return Outcome(to.name, delivered=False, attempts=attempts, error=str(error), lasting=error.lasting)
            pause(wait_s)
        else:
            return Outcome(to.name, delivered=True, attempts=attempts)
    raise AssertionError("the last try returns")


def _webhook(to: Destination, one: Notification) -> None:
    _post(to, as_json(one), {"Idempotency-Key": f"{one.fingerprint}-{one.kind}-{int(one.time.timestamp())}"})


def _slack(to: Destination, one: Notification) -> None:
    _post(to, as_slack(one), {})


_pool: Final = urllib3.PoolManager(timeout=_TIMEOUT, retries=False)


def _post(to: Destination, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    try:
        answer = _pool.request(
            "POST",
            to.address,
            body=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "lambdascope-alerts", **headers},
            redirect=False,
        )
    except urllib3.exceptions.HTTPError as error:
        # Its text has the address, which may be a secret as a whole; its type says what happened.
        raise DeliveryError(f"no answer ({type(error).__name__})") from None
    if not 200 <= answer.status < 300:
        # 408, 429 and what is the server's fault pass; other refusals stay (RFC 9110, section 15).
        passing = answer.status in {408, 429} or answer.status >= 500
        raise DeliveryError(f"answered {answer.status}", lasting=not passing)


def _sns(to: Destination, one: Notification) -> None:
    try:
        import boto3  # noqa: PLC0415 - an extra that only users of SNS install
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - likewise
    except ImportError:
        raise DeliveryError("boto3 is not installed: pip install 'lambdascope[aws]'", lasting=True) from None
    subject, text = as_mail(one)
    region = to.address.split(":")[3]
    attributes = {
        name: {"DataType": "String", "StringValue": value}
        for name, value in (("severity", one.severity), ("rule", one.rule), ("kind", one.kind))
    }
    try:
        boto3.client("sns", region_name=region).publish(
            TopicArn=to.address, Subject=subject, Message=text, MessageAttributes=attributes
        )
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        raise DeliveryError(f"SNS answered {code}", lasting=code in {"NotFound", "InvalidParameter"}) from None
    except BotoCoreError as error:
        raise DeliveryError(f"SNS: {type(error).__name__}") from None


_SENDERS: Final[Mapping[str, Send]] = {"webhook": _webhook, "slack": _slack, "sns": _sns}
