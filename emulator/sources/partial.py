"""What a function with ``ReportBatchItemFailures`` answers.

Source: "Implementing partial batch responses", success and failure conditions, of the pages about Kinesis, DynamoDB
and SQS.
"""

from __future__ import annotations

import json
from collections.abc import Collection


def failed_items(answer: bytes, identifiers: Collection[str]) -> frozenset[str] | None:
    """The items that the function says have failed: none for success, None where all of the batch counts as failed.

    Args:
        answer: what the function answered.
        identifiers: of the batch: message ids, or sequence numbers.
    """
    try:
        value = json.loads(answer or b"null")
    except ValueError:
        return None
    if not isinstance(value, dict):
        return frozenset() if value is None else None
    items = value.get("batchItemFailures")
    if items is None:
        return frozenset()
    if not isinstance(items, list):
        return None
    named = [item.get("itemIdentifier") if isinstance(item, dict) else None for item in items]
    if any(not isinstance(one, str) or one not in identifiers for one in named):
        return None
    return frozenset(str(one) for one in named)
