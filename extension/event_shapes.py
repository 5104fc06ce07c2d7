"""The sources of events that AWS documents, a row each."""

from __future__ import annotations

from extension.event_record import arn_or_none, as_dict, as_list, as_text, at, first_of, numbers_of
from extension.timestamps import parse_time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Event = dict[str, Any]

HTTP, PUBSUB, DATASOURCE, TIMER, OTHER = "http", "pubsub", "datasource", "timer", "other"
_NS_PER_S, _NS_PER_MS = 1e9, 1e6
_LATEST_NS = 1 << 63
_IOT_BUTTON = frozenset({"serialNumber", "batteryVoltage", "clickType"})


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
        self.arn = arn or _event_source_arn
        self.partition = partition or _nothing
        self.attempt = attempt or _nothing
        self.destination = destination or _nothing
        self.grouped = grouped
        self.ages = ages


class Shape:
    """A source that is known by the members of its event."""

    __slots__ = ("arn", "batched", "faas_trigger", "fits", "time_ns", "trigger")

    def __init__(
        self,
        trigger: str,
        faas_trigger: str,
        fits: Callable[[Event], object],
        *,
        arn: Callable[[Event], str | None] | None = None,
        time_ns: Callable[[Event], int | None] | None = None,
        batched: bool = False,
    ) -> None:
        self.trigger = trigger
        self.faas_trigger = faas_trigger
        self.fits = fits
        self.arn = arn or _nothing
        self.time_ns = time_ns or _nothing
        self.batched = batched


# Reading -------------------------------------------------------------------------------------------------------------


def _nothing(_event: Event) -> None:
    return None


def _event_source_arn(record: Event) -> str | None:
    return arn_or_none(first_of(record, "eventSourceARN", "eventSourceArn"))


def _below(*path: str) -> Callable[[Event], str | None]:
    """An ARN that is there."""
    return lambda event: arn_or_none(at(event, *path))


def _scaled(factor: float, *paths: tuple[str, ...]) -> Callable[[Event], int | None]:
    """A time since the epoch at the first of these paths that has one; `factor` makes nanoseconds of it."""

    def read(record: Event) -> int | None:
        for path in paths:
            number = numbers_of(at(record, *path))
            if number is not None and 0 < number * factor < _LATEST_NS:
                return round(number * 1000) * round(factor) // 1000
        return None

    return read


def _written(*paths: tuple[str, ...]) -> Callable[[Event], int | None]:
    """A time in words likewise."""

    def read(record: Event) -> int | None:
        times = (parse_time_ns(at(record, *path)) for path in paths)
        return next((time for time in times if time is not None), None)

    return read


def _shard(record: Event) -> str | None:
    """``shardId-000000000006:4959…`` is an event id of Kinesis."""
    shard = (as_text(record.get("eventID")) or "").partition(":")[0]
    return shard if shard.startswith("shardId-") and len(shard) < 64 else None


def _kafka_partition(record: Event) -> str | None:
    number = numbers_of(record.get("partition"))
    return str(int(number)) if number is not None and 0 <= number < 1 << 31 else None


def _receive_count(record: Event) -> int | None:
    number = numbers_of(at(record, "attributes", "ApproximateReceiveCount"))
    return int(number) if number is not None and number < 1 << 31 else None


def _topic(record: Event) -> str | None:
    return as_text(record.get("topic"))


def _queue_of_broker(record: Event) -> str | None:
    return as_text(at(record, "destination", "physicalName"))


def _of_context(*names: str) -> Callable[[Event], object]:
    return lambda event: all(name in as_dict(event.get("requestContext")) for name in names)


def _with(*names: str) -> Callable[[Event], object]:
    return lambda event: all(name in event for name in names)


def _function_url(event: Event) -> object:
    domain = as_text(at(event, "requestContext", "domainName")) or ""
    return ".lambda-url." in domain


def _from(source: str) -> Callable[[Event], object]:
    """An event of EventBridge, of this source; of any where it is empty."""
    return lambda event: (
        ("detail-type" in event and "detail" in event and isinstance(event.get("source"), str))
        and source in {"", event["source"]}
    )


def _rule(event: Event) -> str | None:
    """Of a schedule, the rule is the resource."""
    resources = as_list(event.get("resources"))
    return arn_or_none(resources[0]) if resources else None


def _iot(event: Event) -> object:
    """Lambda's documents know IoT by its button only: a rule sends whatever its SELECT makes."""
    return event.keys() >= _IOT_BUTTON or ("deviceInfo" in event and "deviceEvent" in event)


def _schedule(event: Event) -> object:
    return _from("aws.events")(event) or _from("aws.scheduler")(event)


def _state_machine(event: Event) -> object:
    """The context object, where the state machine passes it on (``"Payload.$": "$$"``)."""
    return isinstance(event.get("StateMachine"), dict) and isinstance(event.get("Execution"), dict)


def _cognito(event: Event) -> object:
    pool = "userPoolId" in event and "triggerSource" in event
    return pool or ("identityPoolId" in event and "datasetName" in event)


# The tables ----------------------------------------------------------------------------------------------------------

_KAFKA_TIME = _scaled(_NS_PER_MS, ("timestamp",))
_BROKER_TIME = _scaled(_NS_PER_MS, ("timestamp",), ("brokerInTime",))

SOURCES: dict[str, Source] = {
    "aws:sqs": Source(
        "sqs", PUBSUB, "aws_sqs",
        time_ns=_scaled(_NS_PER_MS, ("attributes", "SentTimestamp"), ("SentTimestamp",)), attempt=_receive_count,
    ),
    "aws:sns": Source(
        "sns", PUBSUB, "aws.sns", time_ns=_written(("Sns", "Timestamp"), ("Timestamp",)), arn=_below("Sns", "TopicArn")
    ),
    "aws:kinesis": Source(
        "kinesis", PUBSUB, "aws_kinesis",
        time_ns=_scaled(_NS_PER_S, ("kinesis", "approximateArrivalTimestamp"), ("approximateArrivalTimestamp",)),
        partition=_shard, ages=True,
    ),
    "aws:dynamodb": Source(
        "dynamodb", DATASOURCE,
        time_ns=_scaled(_NS_PER_S, ("dynamodb", "ApproximateCreationDateTime"), ("ApproximateCreationDateTime",)),
        ages=True,
    ),
    "aws:kafka": Source(
        "msk", PUBSUB, "kafka",
        time_ns=_KAFKA_TIME, partition=_kafka_partition, destination=_topic, grouped=True, ages=True,
    ),
    "SelfManagedKafka": Source(
        "kafka", PUBSUB, "kafka",
        time_ns=_KAFKA_TIME, partition=_kafka_partition, destination=_topic, grouped=True, ages=True,
    ),
    "aws:mq": Source("mq", PUBSUB, "activemq", time_ns=_BROKER_TIME, destination=_queue_of_broker),
    "aws:rmq": Source("mq", PUBSUB, "rabbitmq", time_ns=_nothing, grouped=True),
    "aws:docdb": Source(
        "documentdb", DATASOURCE, time_ns=_scaled(_NS_PER_S, ("event", "clusterTime", "$timestamp", "t")), ages=True
    ),
    "aws:s3": Source("s3", DATASOURCE, time_ns=_written(("eventTime",)), arn=_below("s3", "bucket", "arn")),
    "aws:ses": Source("ses", OTHER, time_ns=_written(("ses", "mail", "timestamp"))),
    "aws:codecommit": Source("codecommit", OTHER, time_ns=_written(("eventTime",))),
}  # fmt: skip
"""By ``eventSource``."""

CLOUDFRONT = Source("cloudfront", HTTP, time_ns=_nothing)

SHAPES: tuple[Shape, ...] = (
    Shape("alb", HTTP, _of_context("elb"), arn=_below("requestContext", "elb", "targetGroupArn")),
    Shape("function-url", HTTP, _function_url, time_ns=_scaled(_NS_PER_MS, ("requestContext", "timeEpoch"))),
    Shape(
        "apigateway-websocket", HTTP, _of_context("connectionId", "eventType"),
        time_ns=_scaled(_NS_PER_MS, ("requestContext", "requestTimeEpoch")),
    ),
    Shape(
        "apigateway-v2", HTTP, _of_context("http", "apiId"),
        time_ns=_scaled(_NS_PER_MS, ("requestContext", "timeEpoch")),
    ),
    Shape(
        "apigateway", HTTP, lambda e: "httpMethod" in e and "requestContext" in e,
        time_ns=_scaled(_NS_PER_MS, ("requestContext", "requestTimeEpoch")),
    ),
    Shape("apigateway-authorizer", HTTP, lambda e: "type" in e and ("methodArn" in e or "routeArn" in e),
          arn=lambda e: arn_or_none(first_of(e, "methodArn", "routeArn"))),
    Shape("schedule", TIMER, _schedule, arn=_rule, time_ns=_written(("time",))),
    Shape("eventbridge", PUBSUB, _from(""), arn=_rule, time_ns=_written(("time",))),
    Shape("cognito", OTHER, _cognito),
    Shape("stepfunctions", OTHER, _state_machine, arn=_below("StateMachine", "Id"),
          time_ns=_written(("State", "EnteredTime"))),
    Shape("codepipeline", OTHER, _with("CodePipeline.job")),
    Shape("cloudwatch-logs", DATASOURCE, lambda e: "data" in as_dict(e.get("awslogs"))),
    Shape("config", OTHER, _with("invokingEvent", "configRuleName"), arn=_below("configRuleArn")),
    Shape("iot", PUBSUB, _iot),
    Shape("firehose", DATASOURCE, _with("deliveryStreamArn", "records"), arn=_below("deliveryStreamArn"), batched=True),
    Shape("s3-batch", DATASOURCE, _with("invocationSchemaVersion", "job", "tasks")),
    Shape("cloudformation", OTHER, _with("RequestType", "StackId", "ResponseURL"), arn=_below("StackId")),
)  # fmt: skip
"""The first that fits counts."""

DIRECT = Shape("direct", OTHER, lambda _: True)
