"""What the events of every source that AWS documents say of themselves, small and large, as the proxy passes them on.

The shapes are those of "Invoking Lambda with events from other AWS services" and of the pages below it in the AWS
Lambda Developer Guide, with the members that these pages show in the order in which they come.
"""

from __future__ import annotations

import copy
import json
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from extension.event_facts import EventFacts, facts_of
from extension.events import parse_message
from extension.json_pieces import read_beginning
from tests.support.depth import WAIT_S, RunningProxy, running_proxy

SOAK = os.environ.get("LAMBDASCOPE_SOAK") == "1"
MS, S = 1_000_000, 1_000_000_000
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
FUNCTION = "arn:aws:lambda:us-east-2:123456789012:function:f"


@dataclass(frozen=True)
class Case:
    """An event and what it says. `enlarge` adds a text of many kilobytes where the source's own data is."""

    event: dict[str, Any]
    trigger: str
    faas_trigger: str
    arn: str | None = None
    batch_size: int | None = None
    first_ns: int | None = None
    last_ns: int | None = None
    attempt: int | None = None
    partition: str | None = None
    destination: str | None = None
    linked: bool = False
    enlarge: Callable[[dict[str, Any], str], object] | None = None


def records(*each: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(each)}


def sqs(sent_ms: int, count: int, **attributes: str) -> dict[str, Any]:
    return {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d", "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
        "body": 'Test message. "eventSource":"aws:kinesis"',
        "attributes": {"ApproximateReceiveCount": str(count), "SentTimestamp": str(sent_ms),
                       "SenderId": "AIDAIENQZJOLO23YVJ4VO", "ApproximateFirstReceiveTimestamp": str(sent_ms + 6),
                       **attributes},
        "messageAttributes": {}, "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3", "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue", "awsRegion": "us-east-2",
    }  # fmt: skip


def kinesis(arrival_s: float, shard: int = 6) -> dict[str, Any]:
    return {
        "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "1",
                    "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
                    "data": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==", "approximateArrivalTimestamp": arrival_s},
        "eventSource": "aws:kinesis", "eventVersion": "1.0",
        "eventID": f"shardId-{shard:012d}:4959033827149025660855969",
        "eventName": "aws:kinesis:record", "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
        "awsRegion": "us-east-2", "eventSourceARN": "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream",
    }  # fmt: skip


def dynamodb(created_s: float) -> dict[str, Any]:
    return {
        "eventID": "1", "eventVersion": "1.0",
        "dynamodb": {"ApproximateCreationDateTime": created_s, "Keys": {"Id": {"N": "101"}},
                     "NewImage": {"Message": {"S": "New item!"}, "eventSourceARN": {"S": "not this"}},
                     "StreamViewType": "NEW_AND_OLD_IMAGES", "SequenceNumber": "111", "SizeBytes": 26},
        "awsRegion": "us-west-2", "eventName": "INSERT",
        "eventSourceARN": "arn:aws:dynamodb:us-east-2:111122223333:table/TestTable/stream/2015-05-11T21:21:33.291",
        "eventSource": "aws:dynamodb",
    }  # fmt: skip


def kafka(source: str, *times_ms: int, partitions: int = 1) -> dict[str, Any]:
    header = [{"traceparent": list(TRACEPARENT.encode())}]
    by_partition: dict[str, list[Any]] = {}
    for number, time_ms in enumerate(times_ms):
        at = number % partitions
        by_partition.setdefault(f"mytopic-{at}", []).append(
            {"topic": "mytopic", "partition": at, "offset": 15 + number, "timestamp": time_ms,
             "timestampType": "CREATE_TIME", "key": "abcDEFghiJKLmnoPQRstuVWXyz1234==",
             "value": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==", "headers": header}
        )  # fmt: skip
    arn = {"eventSourceArn": "arn:aws:kafka:us-east-1:123456789012:cluster/vpc/abc-5"} if source == "aws:kafka" else {}
    return {"eventSource": source, **arn, "bootstrapServers": "b-2.example:9092", "records": by_partition}


def docdb(time_s: int) -> dict[str, Any]:
    return {"event": {"_id": {"_data": "0163eeb6e7000000090100000009000041e1"},
                      "clusterTime": {"$timestamp": {"t": time_s, "i": 9}}, "documentKey": {"_id": {"$oid": "63ee"}},
                      "fullDocument": {"anyField": "sampleValue"}, "ns": {"coll": "c", "db": "d"},
                      "operationType": "insert"}}  # fmt: skip


def mq(time_ms: int) -> dict[str, Any]:
    return {"messageID": "ID:b-9bcfa592-1", "messageType": "jms/text-message", "deliveryMode": 1, "replyTo": None,
            "priority": 1, "redelivered": False, "destination": {"physicalName": "testQueue"}, "data": "QUJDOkFBQUE=",
            "timestamp": time_ms, "brokerInTime": time_ms + 1, "brokerOutTime": time_ms + 2,
            "properties": {"index": "1"}}  # fmt: skip


def firehose(arrival_ms: int, shard: int) -> dict[str, Any]:
    return {"recordId": "1", "approximateArrivalTimestamp": arrival_ms, "data": "SGVsbG8gV29ybGQ=",
            "kinesisRecordMetadata": {"shardId": f"shardId-{shard:012d}", "partitionKey": "4d1ad2b9",
                                      "approximateArrivalTimestamp": arrival_ms}}  # fmt: skip


def put(*path: Any) -> Callable[[dict[str, Any], str], object]:
    """Put the text there, in the first and in the last of the event's records."""

    def enlarge(event: dict[str, Any], text: str) -> object:
        *way, name = path
        for end in (0, -1):
            here: Any = event
            for step in way:
                here = here[end] if step is any else next(iter(here.values())) if step is dict else here[step]
            here[name] = text
        return event

    return enlarge


HTTP_V2 = {"method": "POST", "path": "/my/path", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "a"}
EVENTBRIDGE = {"version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "account": "123456789012",
               "time": "2015-10-08T16:53:06Z", "region": "us-east-1"}  # fmt: skip

CASES = {
    "API Gateway REST": Case(
        {"resource": "/my/path", "path": "/my/path", "httpMethod": "GET", "headers": {"Traceparent": TRACEPARENT},
         "multiValueHeaders": {}, "queryStringParameters": None, "pathParameters": None, "stageVariables": None,
         "requestContext": {"accountId": "123456789012", "apiId": "id", "domainName": "id.execute-api.us-east-1.x",
                            "requestTimeEpoch": 1583349317135, "stage": "$default"},
         "body": "Hello", "isBase64Encoded": False},
        "apigateway", "http", first_ns=1583349317135 * MS, last_ns=1583349317135 * MS, linked=True, enlarge=put("body"),
    ),
    "API Gateway HTTP": Case(
        {"version": "2.0", "routeKey": "$default", "rawPath": "/my/path", "headers": {"header1": "value1"},
         "requestContext": {"accountId": "123456789012", "apiId": "api-id", "domainName": "id.execute-api.us-east-1.x",
                            "http": HTTP_V2, "stage": "$default", "timeEpoch": 1583348638390},
         "body": "Hello from Lambda"},
        "apigateway-v2", "http", first_ns=1583348638390 * MS, last_ns=1583348638390 * MS, enlarge=put("body"),
    ),
    "API Gateway WebSocket": Case(
        {"requestContext": {"routeKey": "$connect", "eventType": "CONNECT", "connectionId": "Zh7X", "apiId": "q",
                            "requestTimeEpoch": 1583348638390, "messageDirection": "IN"}, "isBase64Encoded": False},
        "apigateway-websocket", "http", first_ns=1583348638390 * MS, last_ns=1583348638390 * MS, enlarge=put("body"),
    ),
    "Lambda authorizer": Case(
        {"type": "TOKEN", "authorizationToken": "incoming-client-token",
         "methodArn": "arn:aws:execute-api:us-east-1:123456789012:example/prod/POST/a"},
        "apigateway-authorizer", "http", "arn:aws:execute-api:us-east-1:123456789012:example/prod/POST/a",
    ),
    "Application Load Balancer": Case(
        {"requestContext": {"elb": {
            "targetGroupArn": "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/x/4"}},
         "httpMethod": "GET", "path": "/lambda",
         "headers": {"x-amzn-trace-id": "Root=1-5c536348-3d683b8b04734faae651f476"},
         "body": ""},
        "alb", "http", "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/x/4", enlarge=put("body"),
    ),
    "function URL": Case(
        {"version": "2.0", "routeKey": "$default", "rawPath": "/", "headers": {"traceparent": TRACEPARENT},
         "requestContext": {"accountId": "anonymous", "apiId": "u", "domainName": "u.lambda-url.us-west-2.on.aws",
                            "http": HTTP_V2, "timeEpoch": 1583348638390}, "isBase64Encoded": False},
        "function-url", "http", first_ns=1583348638390 * MS, last_ns=1583348638390 * MS, linked=True,
        enlarge=put("body"),
    ),
    "SQS": Case(
        records(sqs(1545082649183, 1), sqs(1545082650636, 4)),
        "sqs", "pubsub", "arn:aws:sqs:us-east-2:123456789012:my-queue", 2, 1545082649183 * MS, 1545082650636 * MS, 4,
        destination="my-queue", enlarge=put("Records", any, "body"),
    ),
    "SQS from a traced sender": Case(
        records(sqs(1545082649183, 1, AWSTraceHeader=f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN};Sampled=1")),
        "sqs", "pubsub", "arn:aws:sqs:us-east-2:123456789012:my-queue", 1, 1545082649183 * MS, 1545082649183 * MS, 1,
        destination="my-queue", linked=True,
    ),
    "SNS": Case(
        records({"EventVersion": "1.0", "EventSource": "aws:sns",
                 "EventSubscriptionArn": "arn:aws:sns:us-east-1:123456789012:sns-lambda:21be56ed",
                 "Sns": {"Type": "Notification", "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
                         "TopicArn": "arn:aws:sns:us-east-1:123456789012:sns-lambda", "Subject": "TestInvoke",
                         "Message": "Hello from SNS!", "Timestamp": "2019-01-02T12:45:07.000Z", "SignatureVersion": "1",
                         "MessageAttributes": {"traceparent": {"Type": "String", "Value": TRACEPARENT}}}}),
        "sns", "pubsub", "arn:aws:sns:us-east-1:123456789012:sns-lambda", 1, 1546433107 * S, 1546433107 * S,
        destination="sns-lambda", linked=True, enlarge=put("Records", any, "Sns", "Message"),
    ),
    "Kinesis": Case(
        records(kinesis(1545084650.987), kinesis(1545084711.166)),
        "kinesis", "pubsub", "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream", 2,
        1545084650987 * MS, 1545084711166 * MS, partition="shardId-000000000006", destination="lambda-stream",
        enlarge=put("Records", any, "kinesis", "data"),
    ),
    "DynamoDB streams": Case(
        records(dynamodb(1479499740), dynamodb(1479499741.5), dynamodb(1479499742)),
        "dynamodb", "datasource",
        "arn:aws:dynamodb:us-east-2:111122223333:table/TestTable/stream/2015-05-11T21:21:33.291", 3,
        1479499740 * S, 1479499742 * S, enlarge=put("Records", any, "dynamodb", "OldImage"),
    ),
    "Amazon MSK": Case(
        kafka("aws:kafka", 1545084650987, 1545084650990),
        "msk", "pubsub", "arn:aws:kafka:us-east-1:123456789012:cluster/vpc/abc-5", 2,
        1545084650987 * MS, 1545084650990 * MS, partition="0", destination="mytopic", linked=True,
        enlarge=put("records", dict, any, "value"),
    ),
    "self-managed Kafka": Case(
        kafka("SelfManagedKafka", 1545084650987, 1545084650999, 1545084650990, partitions=2),
        "kafka", "pubsub", None, 3, 1545084650987 * MS, 1545084650999 * MS, destination="mytopic", linked=True,
    ),
    "Amazon MQ, ActiveMQ": Case(
        {"eventSource": "aws:mq", "eventSourceArn": "arn:aws:mq:us-east-2:111122223333:broker:test:b-9bcf",
         "messages": [mq(1598827811958), mq(1598827811999)]},
        "mq", "pubsub", "arn:aws:mq:us-east-2:111122223333:broker:test:b-9bcf", 2,
        1598827811958 * MS, 1598827811999 * MS, destination="testQueue", enlarge=put("messages", any, "data"),
    ),
    "Amazon MQ, RabbitMQ": Case(
        {"eventSource": "aws:rmq", "eventSourceArn": "arn:aws:mq:us-east-2:111122223333:broker:pizza:b-9bcf",
         "rmqMessagesByQueue": {"pizzaQueue::/": [{"basicProperties": {"contentType": "text/plain",
                                "timestamp": "Jan 1, 1970, 12:33:41 AM", "headers": {"traceparent": {
                                "bytes": list(TRACEPARENT.encode())}}}, "redelivered": False, "data": "eyJ0="}]}},
        "mq", "pubsub", "arn:aws:mq:us-east-2:111122223333:broker:pizza:b-9bcf", 1, destination="pizzaQueue",
        linked=True,
        enlarge=put("rmqMessagesByQueue", dict, any, "data"),
    ),
    "DocumentDB": Case(
        {"eventSourceArn": "arn:aws:rds:us-east-1:123456789012:cluster:canaryclusterb2a", "events": [
            docdb(1676588775), docdb(1676588776)], "eventSource": "aws:docdb"},
        "documentdb", "datasource", "arn:aws:rds:us-east-1:123456789012:cluster:canaryclusterb2a", 2,
        1676588775 * S, 1676588776 * S, enlarge=put("events", any, "event", "fullDocument"),
    ),
    "S3": Case(
        records({"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-2",
                 "eventTime": "2019-09-03T19:37:27.192Z", "eventName": "ObjectCreated:Put",
                 "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": "b", "arn": "arn:aws:s3:::lambda-artifacts"},
                        "object": {"key": "b21b84d653bb07b05b1e6b33684dc11b", "size": 1305107}}}),
        "s3", "datasource", "arn:aws:s3:::lambda-artifacts", 1, 1567539447192 * MS, 1567539447192 * MS,
    ),
    "EventBridge": Case(
        {**EVENTBRIDGE, "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2",
         "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"], "detail": {"state": "pending"}},
        "eventbridge", "pubsub", "arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111",
        first_ns=1444323186 * S, last_ns=1444323186 * S, enlarge=put("detail", "state"),
    ),
    "schedule": Case(
        {**EVENTBRIDGE, "detail-type": "Scheduled Event", "source": "aws.events",
         "resources": ["arn:aws:events:us-east-1:123456789012:rule/my-schedule"], "detail": {}},
        "schedule", "timer", "arn:aws:events:us-east-1:123456789012:rule/my-schedule",
        first_ns=1444323186 * S, last_ns=1444323186 * S,
    ),
    "Cognito user pool": Case(
        {"version": "1", "triggerSource": "PreSignUp_SignUp", "region": "us-east-1", "userPoolId": "us-east-1_x",
         "userName": "u", "callerContext": {}, "request": {"userAttributes": {}}, "response": {}},
        "cognito", "other",
    ),
    "Cognito sync": Case(
        {"datasetName": "datasetName", "eventType": "SyncTrigger", "region": "us-east-1", "identityId": "i",
         "datasetRecords": {}, "identityPoolId": "p", "version": 2},
        "cognito", "other",
    ),
    "Step Functions, with its context": Case(
        {"Execution": {"Id": "arn:aws:states:us-east-1:123456789012:execution:m:e"},
         "State": {"EnteredTime": "2019-03-26T20:14:13.192Z", "Name": "Test"},
         "StateMachine": {"Id": "arn:aws:states:us-east-1:123456789012:stateMachine:m", "Name": "m"}},
        "stepfunctions", "other", "arn:aws:states:us-east-1:123456789012:stateMachine:m",
        first_ns=1553631253192 * MS, last_ns=1553631253192 * MS,
    ),
    "CodePipeline": Case({"CodePipeline.job": {"id": "c0d76431", "accountId": "123456789012", "data": {}}},
                         "codepipeline", "other"),
    "CloudWatch Logs": Case({"awslogs": {"data": "H4sIAAAAAAAAAHWPwQqCQBCGX0Xm7EFtK+smZBEUgXoLCdMhFtKV3akI8d0bLYm"}},
                            "cloudwatch-logs", "datasource", enlarge=put("awslogs", "data")),
    "IoT": Case({"serialNumber": "G030JF055364XVRB", "batteryVoltage": "1200mV", "clickType": "SINGLE"},
                "iot", "pubsub"),
    "CloudFront": Case(
        records({"cf": {"config": {"distributionId": "EDFDVBD6EXAMPLE"}, "request": {"clientIp": "203.0.113.178",
                 "method": "GET", "uri": "/picture.jpg", "headers": {}}}}),
        "cloudfront", "http", batch_size=1,
    ),
    "Config": Case(
        {"invokingEvent": "{}", "ruleParameters": "{}", "resultToken": "t", "eventLeftScope": False, "version": "1.0",
         "executionRoleArn": "arn:aws:iam::123456789012:role/config-role", "configRuleName": "n",
         "configRuleArn": "arn:aws:config:us-east-2:123456789012:config-rule/config-rule-0123456"},
        "config", "other", "arn:aws:config:us-east-2:123456789012:config-rule/config-rule-0123456",
    ),
    "SES": Case(
        records({"eventVersion": "1.0", "ses": {"mail": {"timestamp": "1970-01-01T00:00:01.000Z"}, "receipt": {}},
                 "eventSource": "aws:ses"}),
        "ses", "other", None, 1, S, S,
    ),
    "Firehose": Case(
        {"invocationId": "i", "deliveryStreamArn": "arn:aws:firehose:us-east-1:123456789012:deliverystream/d",
         "region": "us-east-1", "records": [{"recordId": "1", "data": "SGk="}, {"recordId": "2", "data": "SGk="}]},
        "firehose", "datasource", "arn:aws:firehose:us-east-1:123456789012:deliverystream/d", 2,
        enlarge=put("records", any, "data"),
    ),
    "Firehose, behind a Kinesis stream": Case(
        {"invocationId": "i", "sourceKinesisStreamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/s",
         "deliveryStreamArn": "arn:aws:firehose:us-east-1:123456789012:deliverystream/d", "region": "us-east-1",
         "records": [firehose(1664028793294, 3), firehose(1664028820148, 3)]},
        "firehose", "datasource", "arn:aws:firehose:us-east-1:123456789012:deliverystream/d", 2,
        1664028793294 * MS, 1664028820148 * MS, partition="shardId-000000000003",
    ),
    "Kinesis Data Analytics": Case(
        {"invocationId": "i", "applicationArn": "arn:aws:kinesisanalytics:us-west-2:123456789012:application/a",
         "records": [{"recordId": "1", "lambdaDeliveryRecordMetadata": {"retryHint": 0}, "data": "SGk="}]},
        "kinesis-analytics", "datasource", "arn:aws:kinesisanalytics:us-west-2:123456789012:application/a", 1,
    ),
    "S3 Batch Operations": Case(
        {"invocationSchemaVersion": "1.0", "invocationId": "i", "job": {"id": "f3cc4f60"},
         "tasks": [{"taskId": "t", "s3Key": "k.jpg", "s3VersionId": "1", "s3BucketArn": "arn:aws:s3:::bucket-1"}]},
        "s3-batch", "datasource", "arn:aws:s3:::bucket-1", 1,
    ),
    "S3 Object Lambda": Case(
        {"xAmzRequestId": "1a5ed718", "getObjectContext": {"inputS3Url": "https://x", "outputRoute": "r"},
         "configuration": {"accessPointArn": "arn:aws:s3-object-lambda:us-east-1:111122223333:accesspoint/a"},
         "userRequest": {"url": "https://y", "headers": {}}, "userIdentity": {"type": "IAMUser"}},
        "s3-object-lambda", "http", "arn:aws:s3-object-lambda:us-east-1:111122223333:accesspoint/a",
    ),
    "request authorizer of a REST API": Case(
        {"type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abc/test/GET/request",
         "resource": "/request", "path": "/request", "httpMethod": "GET", "headers": {},
         "requestContext": {"path": "/request", "httpMethod": "GET", "apiId": "abc"}},
        "apigateway-authorizer", "http", "arn:aws:execute-api:us-east-1:123456789012:abc/test/GET/request",
    ),
    "request authorizer of an HTTP API": Case(
        {"version": "2.0", "type": "REQUEST", "identitySource": ["u"], "routeKey": "$default",
         "routeArn": "arn:aws:execute-api:us-east-1:123456789012:abc/test/GET/request",
         "requestContext": {"apiId": "abc", "http": HTTP_V2, "timeEpoch": 1583348638390}},
        "apigateway-authorizer", "http", "arn:aws:execute-api:us-east-1:123456789012:abc/test/GET/request",
        first_ns=1583348638390 * MS, last_ns=1583348638390 * MS,
    ),
    "request authorizer of a WebSocket API": Case(
        {"type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abc/prod/$connect",
         "requestContext": {"routeKey": "$connect", "eventType": "CONNECT", "connectionId": "FDmBI",
                            "requestTimeEpoch": 1737995987617, "apiId": "abc"}},
        "apigateway-authorizer", "http", "arn:aws:execute-api:us-east-1:123456789012:abc/prod/$connect",
        first_ns=1737995987617 * MS, last_ns=1737995987617 * MS,
    ),
    "Application Load Balancer, headers of many values": Case(
        {"requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-2:1:targetgroup/x/4"}},
         "httpMethod": "GET", "path": "/", "multiValueHeaders": {
             "x-amzn-trace-id": [f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN};Sampled=1"]}, "body": ""},
        "alb", "http", "arn:aws:elasticloadbalancing:us-east-2:1:targetgroup/x/4", linked=True,
    ),
    "VPC Lattice": Case(
        {"version": "2.0", "path": "/", "method": "POST", "headers": {"traceparent": [TRACEPARENT]},
         "requestContext": {"serviceNetworkArn": "arn:aws:vpc-lattice:us-east-2:123456789012:servicenetwork/sn-0",
                            "serviceArn": "arn:aws:vpc-lattice:us-east-2:123456789012:service/svc-0",
                            "region": "us-east-2", "timeEpoch": "1690497599177430"}},
        "vpc-lattice", "http", "arn:aws:vpc-lattice:us-east-2:123456789012:service/svc-0",
        first_ns=1690497599177430000, last_ns=1690497599177430000, linked=True,
    ),
    "VPC Lattice, version 1": Case(
        {"raw_path": "/", "method": "GET", "headers": {}, "query_string_parameters": {}, "body": "",
         "is_base64_encoded": False}, "vpc-lattice", "http",
    ),
    "AppSync resolver": Case(
        {"arguments": {"id": "1"}, "identity": None, "source": None, "request": {"headers": {}}, "prev": None,
         "info": {"selectionSetList": ["id"], "parentTypeName": "Mutation", "fieldName": "f", "variables": {}}},
        "appsync", "http",
    ),
    "CloudWatch alarm": Case(
        {"source": "aws.cloudwatch", "alarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a",
         "accountId": "123456789012", "time": "2023-08-04T12:36:15.490+0000", "region": "us-east-1",
         "alarmData": {"alarmName": "a", "state": {"value": "ALARM"}}},
        "cloudwatch-alarm", "pubsub", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a",
        first_ns=1691152575490 * MS, last_ns=1691152575490 * MS,
    ),
    "CodeCommit": Case(
        records({"awsRegion": "us-east-2", "codecommit": {"references": [{"commit": "5e4", "ref": "refs/heads/main"}]},
                 "eventId": "31ade2c7", "eventName": "ReferenceChanges", "eventSource": "aws:codecommit",
                 "eventSourceARN": "arn:aws:codecommit:us-east-2:123456789012:r", "eventPartNumber": 1,
                 "eventTime": "2019-03-12T20:58:25.400+0000", "eventTotalParts": 1}),
        "codecommit", "other", "arn:aws:codecommit:us-east-2:123456789012:r", 1,
        1552424305400 * MS, 1552424305400 * MS,
    ),
    "DynamoDB streams in windows": Case(
        {**records(dynamodb(1479499740)), "window": {"start": "2020-07-30T17:00:00Z", "end": "2020-07-30T17:05:00Z"},
         "state": {}, "shardId": "shardId-00000001", "isFinalInvokeForWindow": False},
        "dynamodb", "datasource",
        "arn:aws:dynamodb:us-east-2:111122223333:table/TestTable/stream/2015-05-11T21:21:33.291", 1,
        1479499740 * S, 1479499740 * S, partition="shardId-00000001",
    ),
    "the last one of a window, without records": Case(
        {"Records": [], "window": {}, "state": {}, "shardId": "shardId-000000000006", "isFinalInvokeForWindow": True,
         "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/s"},
        "kinesis", "pubsub", "arn:aws:kinesis:us-east-1:123456789012:stream/s", 0,
        partition="shardId-000000000006", destination="s",
    ),
    "EventBridge Scheduler": Case(
        {**EVENTBRIDGE, "detail-type": "Scheduled Event", "source": "aws.scheduler",
         "resources": ["arn:aws:scheduler:us-east-1:123456789012:schedule/default/s"], "detail": "{}"},
        "schedule", "timer", "arn:aws:scheduler:us-east-1:123456789012:schedule/default/s",
        first_ns=1444323186 * S, last_ns=1444323186 * S,
    ),
    "IoT 1-Click": Case(
        {"deviceInfo": {"deviceId": "G030", "type": "button"}, "placementInfo": {},
         "deviceEvent": {"buttonClicked": {"clickType": "SINGLE", "reportedTime": "2018-05-04T23:26:33.747Z"}}},
        "iot", "pubsub",
    ),
    "IoT authorizer": Case(
        {"token": "t", "signatureVerified": True, "protocols": ["tls", "http"],
         "protocolData": {"tls": {"serverName": "s"}}, "connectionMetadata": {"id": "e56f"}},
        "iot", "pubsub",
    ),
    "Secrets Manager rotation": Case(
        {"Step": "createSecret", "SecretId": "arn:aws:secretsmanager:us-east-1:111122223333:secret:s-AbCdEf",
         "ClientRequestToken": "123e4567"},
        "secretsmanager", "other", "arn:aws:secretsmanager:us-east-1:111122223333:secret:s-AbCdEf",
    ),
    "Amazon Connect": Case(
        {"Details": {"ContactData": {"ContactId": "5ca3", "InstanceARN": "arn:aws:connect:us-east-1:1:instance/9308"},
                     "Parameters": {}}, "Name": "ContactFlowEvent"},
        "connect", "other", "arn:aws:connect:us-east-1:1:instance/9308",
    ),
    "Amazon Lex": Case(
        {"messageVersion": "1.0", "invocationSource": "DialogCodeHook", "inputMode": "Text", "sessionId": "1",
         "bot": {"id": "b", "aliasId": "a", "version": "1"}, "sessionState": {"intent": {"name": "OrderFlowers"}}},
        "lex", "other",
    ),
    "Alexa skill": Case(
        {"version": "1.0", "session": {"new": True, "application": {"applicationId": "amzn1.ask.skill.x"}},
         "request": {"type": "IntentRequest", "requestId": "r", "timestamp": "2015-05-13T12:34:56Z"}},
        "alexa", "other", first_ns=1431520496 * S, last_ns=1431520496 * S,
    ),
    "Bedrock agent": Case(
        {"messageVersion": "1.0", "agent": {"name": "a", "id": "1", "alias": "PROD", "version": "1"},
         "inputText": "hello", "sessionId": "1", "actionGroup": "g", "function": "f", "parameters": []},
        "bedrock-agent", "other",
    ),
    "destination of another function": Case(
        {"version": "1.0", "timestamp": "2019-11-14T18:16:05.568Z", "requestContext": {
            "requestId": "e4b46cbf", "functionArn": f"{FUNCTION}:$LATEST", "condition": "RetriesExhausted",
            "approximateInvokeCount": 3}, "requestPayload": {}, "responseContext": {}, "responsePayload": {}},
        "lambda-destination", "pubsub", f"{FUNCTION}:$LATEST",
        first_ns=1573755365568 * MS, last_ns=1573755365568 * MS,
    ),
    "CloudFormation": Case(
        {"RequestType": "Create", "ResponseURL": "https://x", "RequestId": "r", "ResourceType": "Custom::A",
         "StackId": "arn:aws:cloudformation:us-east-2:123456789012:stack/s/1", "LogicalResourceId": "l"},
        "cloudformation", "other", "arn:aws:cloudformation:us-east-2:123456789012:stack/s/1",
    ),
    "direct": Case({"key1": "value1", "Records": "none", "requestContext": 7}, "direct", "other", enlarge=put("key2")),
}  # fmt: skip


@pytest.fixture(scope="module")
def through() -> Iterator[Callable[[bytes], EventFacts]]:
    """The facts of an event, which the proxy has passed on from the Runtime API to a runtime."""
    events: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while connection.recv(1000):
                head = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\nContent-Length: %d\r\n\r\n"
                connection.sendall(head % len(events[-1]) + events[-1])

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        with (
            running_proxy(listener.getsockname()) as proxy,
            socket.create_connection(proxy.address, timeout=WAIT_S) as runtime,
            runtime.makefile("rb") as reader,
        ):
            yield lambda event: facts_through(event, events, proxy, runtime, reader)
        thread.join(WAIT_S)


def facts_through(
    event: bytes, events: list[bytes], proxy: RunningProxy, runtime: socket.socket, reader: Any
) -> EventFacts:
    events.append(event)
    runtime.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
    while reader.readline() != b"\r\n":
        pass
    assert reader.read(len(event)) == event
    captured = parse_message(proxy.event())
    assert captured is not None
    assert (captured.request_id, captured.length) == ("r", len(event))
    return facts_of(captured)


def check(facts: EventFacts, case: Case) -> None:
    assert (facts.trigger, facts.faas_trigger, facts.source_arn) == (case.trigger, case.faas_trigger, case.arn)
    assert facts.batch_size == case.batch_size
    assert (facts.first_ns, facts.last_ns) == (case.first_ns, case.last_ns)
    assert (facts.partition, facts.destination) == (case.partition, case.destination)


@pytest.mark.parametrize("name", CASES)
def test_an_event_says_where_it_comes_from(through, name):
    case = CASES[name]
    facts = through(json.dumps(case.event).encode())
    check(facts, case)
    assert facts.attempt == case.attempt
    expected = [(bytes.fromhex(TRACE), bytes.fromhex(SPAN))] if case.linked else []
    assert [(link.trace_id, link.span_id) for link in facts.links] == expected


LARGE = [name for name, case in CASES.items() if case.enlarge]


@pytest.mark.parametrize("kilobytes", [40, 300])
@pytest.mark.parametrize("name", LARGE)
def test_a_large_event_says_the_same(through, name, kilobytes):
    """Its first and its last record are longer than what is kept of it; only what is behind that may be missing."""
    case = CASES[name]
    event = copy.deepcopy(case.event)
    assert case.enlarge is not None
    case.enlarge(event, 'x"}],{[\\' * (kilobytes * 1024 // 8))
    facts = through(json.dumps(event).encode())
    assert (facts.trigger, facts.faas_trigger, facts.source_arn) == (case.trigger, case.faas_trigger, case.arn)
    assert facts.batch_size == case.batch_size
    assert facts.last_ns == case.last_ns
    assert facts.first_ns in {case.first_ns, None}
    assert facts.partition in {case.partition, None}


@pytest.mark.parametrize("count", [1, 100, 2500])
def test_records_of_a_large_batch_are_counted(through, count):
    """10,000 is the largest batch that a mapping can have; beyond a megabyte the number is not known, and NULL."""
    event = json.dumps(records(*(kinesis(1545084650 + n) for n in range(count)))).encode()
    facts = through(event)
    assert facts.batch_size == (count if len(event) <= 1 << 20 else None)
    assert (facts.first_ns, facts.last_ns) == (1545084650 * S, (1545084650 + count - 1) * S)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(200 if SOAK else 4))
def test_fuzzed_events_raise_nothing_and_pass_unchanged(through, seed):
    """Cut, mixed and mutated samples; the facts are of the types that they are said to be of."""
    rng = random.Random(seed)
    samples = [json.dumps(case.event).encode() for case in CASES.values()]
    for number in range(100):
        data = bytearray(rng.choice(samples))
        for _ in range(rng.randrange(1, 12)):
            mutate(rng, data, samples)
        if data:
            check_types(through(bytes(data)), f"seed {seed}, event {number}")


def mutate(rng: random.Random, data: bytearray, samples: list[bytes]) -> None:
    kind, at = rng.randrange(5), rng.randrange(len(data) + 1)
    if kind == 0 and data:
        data[at % len(data)] = rng.randrange(256)
    elif kind == 1:
        data[at:at] = rng.choice([b"{", b"[", b'"', b"\\", b"null", b"1e999", b"-", b"\xff", b"[[[[[[[[" * 40])
    elif kind == 2:
        del data[at : at + rng.randrange(40)]
    elif kind == 3:
        data[at:at] = rng.choice(samples)[: rng.randrange(400)] * rng.randrange(1, 20)
    else:  # another type where a value is
        at = data.find(b":", at) + 1
        data[at:at] = rng.choice([b"7,", b"[],", b"{},", b'"",', b"null,", b"true,", b'[{"a":[1]}],', b"NaN,"])


def check_types(facts: EventFacts, which: str) -> None:
    texts = (facts.source_arn, facts.partition, facts.messaging_system, facts.destination)
    numbers = (facts.batch_size, facts.first_ns, facts.last_ns, facts.attempt)
    assert isinstance(facts.trigger, str), which
    assert facts.faas_trigger in {"http", "pubsub", "datasource", "timer", "other"}, which
    assert all(text is None or isinstance(text, str) for text in texts), which
    assert all(number is None or (type(number) is int and 0 <= number < 1 << 63) for number in numbers), which
    assert all((len(link.trace_id), len(link.span_id)) == (16, 8) for link in facts.links), which
    assert len(facts.links) <= 32, which


def test_every_beginning_of_a_document_can_be_read():
    """Whatever the cut, what is read is a beginning of the whole."""
    text = json.dumps(CASES["SQS"].event) + "   "
    for at in range(len(text)):
        found = read_beginning(text[:at])
        assert found is None or isinstance(found, dict)
    assert read_beginning(text) == CASES["SQS"].event
