"""The events and invocation records of streams, in the shapes that AWS's guide shows."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any, Final

from emulator.clock import NS_PER_MS, NS_PER_S, rfc3339
from emulator.sources.streams import StreamBatch, StreamDiscard, StreamRecord

_KINESIS_FIRST: Final = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_800
_KINESIS_SHARD: Final = 10**40
_DYNAMODB_FIRST: Final = 800_000_000_003_126_276_000
_DYNAMODB_SHARD: Final = 10**19


@dataclass(frozen=True, slots=True)
class StreamNames:
    """What the events say of where they come from and who reads them."""

    region: str
    account_id: str
    stream: str
    """The stream's name, or the table's."""
    function_arn: str
    created: str = "2026-01-01T00:00:00.000"
    """When the table's stream was created, which is part of its ARN."""

    @property
    def kinesis_arn(self) -> str:
        """The Kinesis stream's ARN."""
        return f"arn:aws:kinesis:{self.region}:{self.account_id}:stream/{self.stream}"

    @property
    def dynamodb_arn(self) -> str:
        """The ARN of the table's stream."""
        return f"arn:aws:dynamodb:{self.region}:{self.account_id}:table/{self.stream}/stream/{self.created}"


def kinesis_event(batch: StreamBatch, names: StreamNames) -> dict[str, Any]:
    """The function's event. ``approximateArrivalTimestamp`` is in seconds, to the millisecond."""
    return {"Records": [_kinesis_record(record, names) for record in batch.records]}


def _kinesis_record(record: StreamRecord, names: StreamNames) -> dict[str, Any]:
    number = kinesis_number(record)
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record.partition_key,
            "sequenceNumber": number,
            "data": base64.b64encode(record.data).decode(),
            "approximateArrivalTimestamp": record.arrived_ns // NS_PER_MS / 1000,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{_kinesis_shard(record.shard)}:{number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{names.account_id}:role/lambda-role",
        "awsRegion": names.region,
        "eventSourceARN": names.kinesis_arn,
    }


def dynamodb_event(batch: StreamBatch, names: StreamNames) -> dict[str, Any]:
    """The function's event. ``ApproximateCreationDateTime`` is in whole seconds. A record's data is its new image."""
    return {"Records": [_dynamodb_record(record, names) for record in batch.records]}


def _dynamodb_record(record: StreamRecord, names: StreamNames) -> dict[str, Any]:
    number = dynamodb_number(record)
    return {
        "eventID": hashlib.sha256(f"{record.shard}/{number}".encode()).hexdigest()[:32],
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": names.region,
        "dynamodb": {
            "ApproximateCreationDateTime": record.arrived_ns // NS_PER_S,
            "Keys": {"Id": {"S": record.partition_key}},
            "NewImage": record.data,
            "SequenceNumber": number,
            "SizeBytes": record.size_bytes,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": names.dynamodb_arn,
    }


def kinesis_failure(discard: StreamDiscard, names: StreamNames, request_id: str) -> dict[str, Any]:
    """What an on-failure destination receives of a Kinesis batch: where the records are, not the records."""
    first, last = discard.batch.records[0], discard.batch.records[-1]
    info = {
        "shardId": _kinesis_shard(discard.batch.shard),
        "startSequenceNumber": kinesis_number(first),
        "endSequenceNumber": kinesis_number(last),
        "approximateArrivalOfFirstRecord": rfc3339(first.arrived_ns),
        "approximateArrivalOfLastRecord": rfc3339(last.arrived_ns),
        "batchSize": len(discard.batch.records),
        "streamArn": names.kinesis_arn,
    }
    return {**_failure(discard, names, request_id), "KinesisBatchInfo": info}


def dynamodb_failure(discard: StreamDiscard, names: StreamNames, request_id: str) -> dict[str, Any]:
    """What an on-failure destination receives of a DynamoDB batch. Its times are whole seconds."""
    first, last = discard.batch.records[0], discard.batch.records[-1]
    info = {
        "shardId": f"shardId-{discard.batch.shard:020d}-{discard.batch.shard:08x}",
        "startSequenceNumber": dynamodb_number(first),
        "endSequenceNumber": dynamodb_number(last),
        "approximateArrivalOfFirstRecord": rfc3339(first.arrived_ns)[:19] + "Z",
        "approximateArrivalOfLastRecord": rfc3339(last.arrived_ns)[:19] + "Z",
        "batchSize": len(discard.batch.records),
        "streamArn": names.dynamodb_arn,
    }
    return {**_failure(discard, names, request_id), "DDBStreamBatchInfo": info}


def _failure(discard: StreamDiscard, names: StreamNames, request_id: str) -> dict[str, Any]:
    record: dict[str, Any] = {
        "requestContext": {
            "requestId": request_id,
            "functionArn": names.function_arn,
            "condition": discard.condition,
            "approximateInvokeCount": discard.batch.invoke_count,
        },
        "version": "1.0",
        "timestamp": rfc3339(discard.at_ns),
    }
    if discard.batch.invoke_count:
        record["responseContext"] = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    return record


def _kinesis_shard(shard: int) -> str:
    return f"shardId-{shard:012d}"


def kinesis_number(record: StreamRecord) -> str:
    """Its sequence number, as events have it."""
    return str(_KINESIS_FIRST + record.shard * _KINESIS_SHARD + record.number)


def dynamodb_number(record: StreamRecord) -> str:
    """Its sequence number, as events have it."""
    return str(_DYNAMODB_FIRST + record.shard * _DYNAMODB_SHARD + record.number)
