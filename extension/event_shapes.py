"""The sources of events that AWS documents, a row each."""

from __future__ import annotations

from extension import event_readers as r
from extension.event_record import arn_or_none, as_dict, first_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Event = dict[str, Any]

HTTP, PUBSUB, DATASOURCE, TIMER, OTHER = "http", "pubsub", "datasource", "timer", "other"
_NS_PER_S, _NS_PER_MS, _NS_PER_US = 1e9, 1e6, 1e3


class Source:
    """A source whose records name it. Each function takes a record; None is what it does not say."""

    __slots__ = (
        "ages",
        "arn",
        "attempt",
        "destination",
        "faas_trigger",
        "grouped",
        "messaging_system",
        "partition",
        "time_ns",
        "trigger",
    )

    def __init__(  # noqa: PLR0913 - a row of the table
        self,
        trigger: str,
        faas_trigger: str,
        messaging_system: str | None = None,
        *,
        time_ns: Callable[[Event], int | None],
        arn: Callable[[Event], str | None] | None = None,
        partition: Callable[[Event], str | None] | None = None,
        attempt: Callable[[Event], int | None] | None = None,
        destination: Callable[[Event], str | None] | None = None,
        grouped: bool = False,
        ages: bool = False,
    ) -> None:
        self.trigger = trigger
        self.faas_trigger = faas_trigger
        self.messaging_system = messaging_system
        self.time_ns = time_ns
        self.arn = arn or r.event_source_arn
        self.partition = partition or r.nothing
        self.attempt = attempt or r.nothing
        self.destination = destination or r.nothing
        self.grouped = grouped
        self.ages = ages


class Shape:
    """A source that is known by the members of its event."""

    __slots__ = ("arn", "faas_trigger", "fits", "time_ns", "trigger")

    def __init__(
        self,
        trigger: str,
        faas_trigger: str,
        fits: Callable[[Event], object],
        *,
        arn: Callable[[Event], str | None] | None = None,
        time_ns: Callable[[Event], int | None] | None = None,
    ) -> None:
        self.trigger = trigger
        self.faas_trigger = faas_trigger
        self.fits = fits
        self.arn = arn or r.nothing
        self.time_ns = time_ns or r.nothing


# The tables ----------------------------------------------------------------------------------------------------------

_KAFKA_TIME = r.scaled(_NS_PER_MS, ("timestamp",))
_BROKER_TIME = r.scaled(_NS_PER_MS, ("timestamp",), ("brokerInTime",))
_ARRIVAL_MS = r.scaled(_NS_PER_MS, ("approximateArrivalTimestamp",))

SOURCES: dict[str, Source] = {
    "aws:sqs": Source(
        "sqs", PUBSUB, "aws_sqs",
        time_ns=r.scaled(_NS_PER_MS, ("attributes", "SentTimestamp"), ("SentTimestamp",)), attempt=r.receive_count,
    ),
    "aws:sns": Source(
        "sns", PUBSUB, "aws.sns",
        time_ns=r.written(("Sns", "Timestamp"), ("Timestamp",)), arn=r.below("Sns", "TopicArn"),
    ),
    "aws:kinesis": Source(
        "kinesis", PUBSUB, "aws_kinesis",
        time_ns=r.scaled(_NS_PER_S, ("kinesis", "approximateArrivalTimestamp"), ("approximateArrivalTimestamp",)),
        partition=r.shard, ages=True,
    ),
    "aws:dynamodb": Source(
        "dynamodb", DATASOURCE,
        time_ns=r.scaled(_NS_PER_S, ("dynamodb", "ApproximateCreationDateTime"), ("ApproximateCreationDateTime",)),
        ages=True,
    ),
    "aws:kafka": Source(
        "msk", PUBSUB, "kafka",
        time_ns=_KAFKA_TIME, partition=r.kafka_partition, destination=r.topic, grouped=True, ages=True,
    ),
    "SelfManagedKafka": Source(
        "kafka", PUBSUB, "kafka",
        time_ns=_KAFKA_TIME, partition=r.kafka_partition, destination=r.topic, grouped=True, ages=True,
    ),
    "aws:mq": Source("mq", PUBSUB, "activemq", time_ns=_BROKER_TIME, destination=r.queue_of_broker),
    "aws:rmq": Source("mq", PUBSUB, "rabbitmq", time_ns=r.nothing, destination=r.queue_of_broker, grouped=True),
    "aws:docdb": Source(
        "documentdb", DATASOURCE, time_ns=r.scaled(_NS_PER_S, ("event", "clusterTime", "$timestamp", "t")), ages=True
    ),
    "aws:s3": Source("s3", DATASOURCE, time_ns=r.written(("eventTime",)), arn=r.below("s3", "bucket", "arn")),
    "aws:ses": Source("ses", OTHER, time_ns=r.written(("ses", "mail", "timestamp"))),
    "aws:codecommit": Source("codecommit", OTHER, time_ns=r.written(("eventTime",))),
}  # fmt: skip
"""By ``eventSource``."""

BATCHES: tuple[tuple[Callable[[Event], object], Source], ...] = (
    (r.below_first("Records", "cf"), Source("cloudfront", HTTP, time_ns=r.nothing)),
    (
        r.having("deliveryStreamArn", "records"),
        Source("firehose", DATASOURCE, time_ns=_ARRIVAL_MS, arn=r.below("deliveryStreamArn"),
               partition=r.firehose_shard),
    ),
    (
        r.having("applicationArn", "invocationId", "records"),
        Source("kinesis-analytics", DATASOURCE, time_ns=_ARRIVAL_MS, arn=r.below("applicationArn")),
    ),
    (
        r.having("invocationSchemaVersion", "job", "tasks"),
        Source("s3-batch", DATASOURCE, time_ns=r.nothing, arn=r.below("s3BucketArn")),
    ),
)  # fmt: skip
"""Records that do not name their source; the first whose event fits counts."""

SHAPES: tuple[Shape, ...] = (
    Shape("apigateway-authorizer", HTTP, lambda e: "type" in e and ("methodArn" in e or "routeArn" in e),
          arn=lambda e: arn_or_none(first_of(e, "methodArn", "routeArn")),
          time_ns=r.scaled(_NS_PER_MS, ("requestContext", "timeEpoch"), ("requestContext", "requestTimeEpoch"))),
    Shape("alb", HTTP, r.of_context("elb"), arn=r.below("requestContext", "elb", "targetGroupArn")),
    Shape("vpc-lattice", HTTP, r.lattice, arn=r.below("requestContext", "serviceArn"),
          time_ns=r.scaled(_NS_PER_US, ("requestContext", "timeEpoch"))),
    Shape("function-url", HTTP, r.function_url, time_ns=r.scaled(_NS_PER_MS, ("requestContext", "timeEpoch"))),
    Shape(
        "apigateway-websocket", HTTP, r.of_context("connectionId", "eventType"),
        time_ns=r.scaled(_NS_PER_MS, ("requestContext", "requestTimeEpoch")),
    ),
    Shape(
        "apigateway-v2", HTTP, r.of_context("http", "apiId"),
        time_ns=r.scaled(_NS_PER_MS, ("requestContext", "timeEpoch")),
    ),
    Shape("appsync", HTTP, r.app_sync),
    Shape(
        "apigateway", HTTP, r.having("httpMethod", "requestContext"),
        time_ns=r.scaled(_NS_PER_MS, ("requestContext", "requestTimeEpoch")),
    ),
    Shape("schedule", TIMER, r.schedule, arn=r.rule, time_ns=r.written(("time",))),
    Shape("eventbridge", PUBSUB, r.from_bus(""), arn=r.rule, time_ns=r.written(("time",))),
    Shape("cloudwatch-alarm", PUBSUB, r.having("alarmArn", "alarmData"), arn=r.below("alarmArn"),
          time_ns=r.written(("time",))),
    Shape("cognito", OTHER, r.cognito),
    Shape("stepfunctions", OTHER, r.state_machine, arn=r.below("StateMachine", "Id"),
          time_ns=r.written(("State", "EnteredTime"))),
    Shape("codepipeline", OTHER, r.having("CodePipeline.job")),
    Shape("cloudwatch-logs", DATASOURCE, lambda e: isinstance(e.get("awslogs"), dict)),
    Shape("config", OTHER, r.having("invokingEvent", "resultToken"), arn=r.below("configRuleArn")),
    Shape("iot", PUBSUB, r.iot, arn=r.below("templateArn"), time_ns=r.written(("deviceEvent", "reportedTime"))),
    Shape("cloudformation", OTHER, r.having("RequestType", "StackId", "ResponseURL"), arn=r.below("StackId")),
    Shape("s3-object-lambda", HTTP, r.object_lambda, arn=r.below("configuration", "accessPointArn")),
    Shape("secretsmanager", OTHER, r.having("Step", "SecretId", "ClientRequestToken"), arn=r.below("SecretId")),
    Shape("connect", OTHER, lambda e: "Name" in e and "ContactData" in as_dict(e.get("Details")),
          arn=r.below("Details", "ContactData", "InstanceARN")),
    Shape("lex", OTHER, r.lex),
    Shape("alexa", OTHER, r.alexa, time_ns=r.written(("request", "timestamp"))),
    Shape("bedrock-agent", OTHER, r.having("messageVersion", "agent", "actionGroup")),
    Shape("lambda-destination", PUBSUB, r.destination_of, arn=r.below("requestContext", "functionArn"),
          time_ns=r.written(("timestamp",))),
)  # fmt: skip
"""The first that fits counts."""

DIRECT = Shape("direct", OTHER, lambda _: True)
