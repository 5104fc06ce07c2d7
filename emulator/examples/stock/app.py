"""Reads a stream of orders and books them out of the stock, at the speed of the records' own ``work_s``."""

import base64
import json
import time


class CannotBookError(Exception):
    """A record that no attempt gets past."""


def handler(event, context):
    """Book a batch of a Kinesis stream. A record is ``{"article": …, "work_s": seconds, "poison": false}``."""
    for record in event["Records"]:
        order = json.loads(base64.b64decode(record["kinesis"]["data"]))
        time.sleep(order.get("work_s", 0))
        if order.get("poison"):
            raise CannotBookError(f"cannot book record {record['kinesis']['sequenceNumber']}")
    print(f"booked {len(event['Records'])} orders")
    return {"batchItemFailures": []}
