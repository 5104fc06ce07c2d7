"""Reading what an event's members say, for the table of sources (event_shapes.py). Pure; never raises."""

from __future__ import annotations

from extension.event_record import arn_or_none, as_dict, as_list, as_text, at, first_of, numbers_of
from extension.timestamps import parse_time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Event = dict[str, Any]

_LATEST_NS = 1 << 63
_IOT = (
    {"serialNumber", "batteryVoltage", "clickType"},
    {"deviceInfo", "deviceEvent"},
    {"token", "protocols", "protocolData"},
    {"claimCertificateId", "templateArn", "parameters"},
)


def nothing(_event: Event) -> None:
    """Of what a source does not say."""


def event_source_arn(record: Event) -> str | None:
    """In either spelling."""
    return arn_or_none(first_of(record, "eventSourceARN", "eventSourceArn"))


def below(*path: str) -> Callable[[Event], str | None]:
    """An ARN that is there."""
    return lambda event: arn_or_none(at(event, *path))


def scaled(factor: float, *paths: tuple[str, ...]) -> Callable[[Event], int | None]:
    """A time since the epoch at the first of these paths that has one; `factor` makes nanoseconds of it."""

    def read(record: Event) -> int | None:
        for path in paths:
            number = numbers_of(at(record, *path))
            if number is not None and 0 < number * factor < _LATEST_NS:
                whole = int(number)  # apart from the fraction: together they have more digits than a float
                return whole * round(factor) + round((number - whole) * 1000) * round(factor) // 1000
        return None

    return read


def written(*paths: tuple[str, ...]) -> Callable[[Event], int | None]:
    """A time in words likewise."""

    def read(record: Event) -> int | None:
        times = (parse_time_ns(at(record, *path)) for path in paths)
        return next((time for time in times if time is not None), None)

    return read


def shard(record: Event) -> str | None:
    """``shardId-000000000006:4959…`` is an event id of Kinesis."""
    shard = (as_text(record.get("eventID")) or "").partition(":")[0]
    return shard if shard.startswith("shardId-") and len(shard) < 64 else None


def kafka_partition(record: Event) -> str | None:
    """A number, as a text."""
    number = numbers_of(record.get("partition"))
    return str(int(number)) if number is not None and 0 <= number < 1 << 31 else None


def receive_count(record: Event) -> int | None:
    """How often SQS has delivered the message, this time included."""
    number = numbers_of(at(record, "attributes", "ApproximateReceiveCount"))
    return int(number) if number is not None and number < 1 << 31 else None


def topic(record: Event) -> str | None:
    """Of a Kafka record."""
    return as_text(record.get("topic"))


def queue_of_broker(record: Event) -> str | None:
    """ActiveMQ names it in the message; RabbitMQ's is that of the list that the message is in."""
    return as_text(at(record, "destination", "physicalName")) or as_text(record.get("queue"))


def firehose_shard(record: Event) -> str | None:
    """Where a Kinesis stream is behind the delivery stream."""
    return as_text(at(record, "kinesisRecordMetadata", "shardId"))


def of_context(*names: str) -> Callable[[Event], object]:
    """Whether the request's context has these members."""
    return lambda event: all(name in as_dict(event.get("requestContext")) for name in names)


def having(*names: str) -> Callable[[Event], object]:
    """Whether the event has these members."""
    return lambda event: all(name in event for name in names)


def function_url(event: Event) -> object:
    """By the domain, which is the one difference from an HTTP API."""
    domain = as_text(at(event, "requestContext", "domainName")) or ""
    return ".lambda-url." in domain


def from_bus(source: str) -> Callable[[Event], object]:
    """An event of EventBridge, of this source; of any where it is empty."""
    return lambda event: (
        ("detail-type" in event and "detail" in event and isinstance(event.get("source"), str))
        and source in {"", event["source"]}
    )


def rule(event: Event) -> str | None:
    """Of a schedule, the rule is the resource."""
    resources = as_list(event.get("resources"))
    return arn_or_none(resources[0]) if resources else None


def iot(event: Event) -> object:
    """Buttons, the authorizer and the provisioning hook: a rule sends whatever its SELECT makes."""
    return any(event.keys() >= members for members in _IOT)


def schedule(event: Event) -> object:
    """Of a rule with a schedule, or of EventBridge Scheduler."""
    return from_bus("aws.events")(event) or from_bus("aws.scheduler")(event)


def state_machine(event: Event) -> object:
    """The context object, where the state machine passes it on (``"Payload.$": "$$"``)."""
    return isinstance(event.get("StateMachine"), dict) and isinstance(event.get("Execution"), dict)


def cognito(event: Event) -> object:
    """A trigger of a user pool, or of Cognito Sync."""
    pool = "userPoolId" in event and "triggerSource" in event
    return pool or ("identityPoolId" in event and "datasetName" in event)


def below_first(name: str, *path: str) -> Callable[[Event], object]:
    """Whether the first of this list's objects has a member there."""
    return lambda event: at(next(iter(as_list(event.get(name))), None), *path) is not None


def lex(event: Event) -> object:
    """Of version 1 and 2."""
    return "bot" in event and "invocationSource" in event


def alexa(event: Event) -> object:
    """A skill's request, or a directive to a smart home."""
    skill = at(event, "session", "application", "applicationId") or at(event, "context", "System", "application")
    return at(event, "directive", "header", "namespace") or (skill and at(event, "request", "type"))


def app_sync(event: Event) -> object:
    """An event of a resolver, a channel or an authorizer."""
    resolver = "arguments" in event and at(event, "info", "parentTypeName") is not None
    channel = "events" in event and at(event, "info", "channelNamespace") is not None
    return resolver or channel or ("authorizationToken" in event and at(event, "requestContext", "apiId") is not None)


def lattice(event: Event) -> object:
    """Version 2 names its service, version 1 is known by its spelling."""
    return at(event, "requestContext", "serviceArn") or event.keys() >= {"raw_path", "method", "is_base64_encoded"}


def object_lambda(event: Event) -> object:
    """A request through an Object Lambda access point."""
    return "userRequest" in event and at(event, "configuration", "accessPointArn")


def destination_of(event: Event) -> object:
    """What Lambda sends on when an asynchronous invocation is over."""
    return "requestPayload" in event and at(event, "requestContext", "functionArn")
