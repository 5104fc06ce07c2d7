"""What Lambda's, Kinesis' and DynamoDB's answers say of functions, as rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from collector.otlp.batch import Rows, TableLayout

_NUMBER: Final = "Nullable(UInt32)"
_TIME: Final = "Nullable(DateTime64(3))"
_PLACE: Final = (("AccountId", "LowCardinality(String)"), ("Region", "LowCardinality(String)"))
_POLLED: Final = (("PolledAt", "DateTime64(3)"),)

FUNCTIONS: Final = TableLayout(
    "lambda_functions",
    (
        *_PLACE,
        ("FunctionName", "String"),
        ("FunctionArn", "String"),
        ("Runtime", "LowCardinality(String)"),
        ("MemorySizeMB", _NUMBER),
        ("TimeoutS", _NUMBER),
        ("Architecture", "LowCardinality(String)"),
        ("ReservedConcurrency", _NUMBER),
        ("ProvisionedConcurrency", _NUMBER),
        ("Layers", "Array(String)"),
        ("EventSources", "Array(String)"),
        ("LastModified", _TIME),
        *_POLLED,
    ),
)
ACCOUNT_LIMITS: Final = TableLayout(
    "lambda_account_limits",
    (
        *_PLACE,
        ("ConcurrentExecutions", "UInt32"),
        ("UnreservedConcurrentExecutions", "UInt32"),
        ("Functions", _NUMBER),
        ("CodeSizeBytes", "Nullable(UInt64)"),
        *_POLLED,
    ),
)
MAPPINGS: Final = TableLayout(
    "lambda_event_source_mappings",
    (
        *_PLACE,
        ("FunctionName", "String"),
        ("Qualifier", "String"),
        ("Uuid", "String"),
        ("EventSourceArn", "String"),
        ("Kind", "LowCardinality(String)"),
        ("State", "LowCardinality(String)"),
        ("StateTransitionReason", "String"),
        ("BatchSize", _NUMBER),
        ("BatchingWindowS", _NUMBER),
        ("ParallelizationFactor", _NUMBER),
        ("StartingPosition", "LowCardinality(String)"),
        ("BisectOnError", "Nullable(UInt8)"),
        ("MaxRetries", "Nullable(Int32)"),
        ("MaxRecordAgeS", "Nullable(Int32)"),
        ("MaximumConcurrency", _NUMBER),
        ("OnFailureDestination", "String"),
        ("Metrics", "Array(String)"),
        ("LastModified", _TIME),
        *_POLLED,
    ),
)
VERSIONS: Final = TableLayout(
    "lambda_function_versions",
    (
        *_PLACE,
        ("FunctionName", "String"),
        ("Qualifier", "String"),
        ("Kind", "LowCardinality(String)"),
        ("FunctionVersion", "String"),
        ("Weights", "Map(LowCardinality(String), Float64)"),
        ("ProvisionedConcurrency", _NUMBER),
        ("ProvisionedAvailable", _NUMBER),
        ("ProvisionedStatus", "LowCardinality(String)"),
        ("Runtime", "LowCardinality(String)"),
        ("CodeSha256", "String"),
        ("LastModified", _TIME),
        *_POLLED,
    ),
)
EVENT_SOURCES: Final = TableLayout(
    "lambda_event_sources",
    (
        *_PLACE,
        ("EventSourceArn", "String"),
        ("Kind", "LowCardinality(String)"),
        ("RetentionS", _NUMBER),
        ("Shards", _NUMBER),
        ("Status", "LowCardinality(String)"),
        *_POLLED,
    ),
)
LAYOUTS: Final = (FUNCTIONS, ACCOUNT_LIMITS, MAPPINGS, VERSIONS, EVENT_SOURCES)
"""All that the inventory fills."""

DYNAMODB_RETENTION_S: Final = 86_400
"""DynamoDB streams keep a record for 24 hours, which cannot be changed (DynamoDB's guide, "Change data capture")."""
_KINDS: Final = {
    "kinesis": "kinesis",
    "dynamodb": "dynamodb",
    "sqs": "sqs",
    "kafka": "kafka",
    "rds": "documentdb",
    "docdb-elastic": "documentdb",
    "mq": "mq",
}
_ARCHITECTURES: Final = {"x86_64": "amd64"}
"""OpenTelemetry's ``host.arch``, as in lambda_invocations."""

Answer = Mapping[str, Any]
Place = tuple[str, str]
"""Account and region."""


def time_of(value: Any) -> datetime | None:
    """A time as boto3 gives it, or as the text that some of Lambda's operations have (``…+0000``)."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except ValueError:
        return None


def function(
    place: Place,
    polled_at: datetime,
    described: Answer,
    reserved: int | None,
    provisioned: int | None,
    event_sources: Sequence[str],
) -> list[Any]:
    """A row of lambda_functions, of one of ListFunctions' ``Functions`` and what was asked for beside."""
    architecture = next(iter(described.get("Architectures") or ["x86_64"]))
    return [
        *place,
        described["FunctionName"],
        described["FunctionArn"],
        described.get("Runtime", ""),
        described.get("MemorySize"),
        described.get("Timeout"),
        _ARCHITECTURES.get(architecture, architecture),
        reserved,
        provisioned,
        [layer["Arn"] for layer in described.get("Layers", [])],
        sorted(event_sources),
        time_of(described.get("LastModified")),
        polled_at,
    ]


def account_limits(place: Place, polled_at: datetime, settings: Answer) -> list[Any]:
    """A row of lambda_account_limits, of GetAccountSettings."""
    limit, usage = settings["AccountLimit"], settings.get("AccountUsage", {})
    return [
        *place,
        limit["ConcurrentExecutions"],
        limit["UnreservedConcurrentExecutions"],
        usage.get("FunctionCount"),
        usage.get("TotalCodeSize"),
        polled_at,
    ]


def mapping(place: Place, polled_at: datetime, described: Answer) -> list[Any]:
    """A row of lambda_event_source_mappings, of one of ListEventSourceMappings."""
    source_arn = described.get("EventSourceArn", "")
    name, qualifier = function_of(described.get("FunctionArn", ""))
    destination = (described.get("DestinationConfig") or {}).get("OnFailure") or {}
    bisect = described.get("BisectBatchOnFunctionError")
    return [
        *place,
        name,
        qualifier,
        described["UUID"],
        source_arn,
        kind_of(described),
        described.get("State", ""),
        described.get("StateTransitionReason", ""),
        described.get("BatchSize"),
        described.get("MaximumBatchingWindowInSeconds"),
        described.get("ParallelizationFactor"),
        described.get("StartingPosition", ""),
        None if bisect is None else int(bisect),
        described.get("MaximumRetryAttempts"),
        described.get("MaximumRecordAgeInSeconds"),
        (described.get("ScalingConfig") or {}).get("MaximumConcurrency"),
        destination.get("Destination", ""),
        (described.get("MetricsConfig") or {}).get("Metrics", []),
        time_of(described.get("LastModified")),
        polled_at,
    ]


def version(place: Place, polled_at: datetime, name: str, described: Answer, provisioned: Answer) -> list[Any]:
    """A row of lambda_function_versions, of one of ListVersionsByFunction's ``Versions``."""
    return [
        *place,
        name,
        described["Version"],
        "version",
        described["Version"],
        {},
        *_provisioned(provisioned),
        described.get("Runtime", ""),
        described.get("CodeSha256", ""),
        time_of(described.get("LastModified")),
        polled_at,
    ]


def alias(place: Place, polled_at: datetime, name: str, described: Answer, provisioned: Answer) -> list[Any]:
    """A row of lambda_function_versions, of one of ListAliases' ``Aliases``."""
    weights = (described.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return [
        *place,
        name,
        described["Name"],
        "alias",
        described["FunctionVersion"],
        {str(key): float(value) for key, value in weights.items()},
        *_provisioned(provisioned),
        "",
        "",
        None,
        polled_at,
    ]


def kinesis_stream(place: Place, polled_at: datetime, arn: str, summary: Answer) -> list[Any]:
    """A row of lambda_event_sources, of DescribeStreamSummary's ``StreamDescriptionSummary``."""
    return [
        *place,
        arn,
        "kinesis",
        summary["RetentionPeriodHours"] * 3600,
        summary.get("OpenShardCount"),
        summary.get("StreamStatus", ""),
        polled_at,
    ]


def dynamodb_stream(place: Place, polled_at: datetime, arn: str) -> list[Any]:
    """A row of lambda_event_sources. Nothing has to be asked: its retention is the same everywhere."""
    return [*place, arn, "dynamodb", DYNAMODB_RETENTION_S, None, "", polled_at]


def rows(layout: TableLayout, records: Sequence[Sequence[Any]]) -> Rows:
    """Records as what the store inserts."""
    result = Rows(layout)
    for record in records:
        result.append(*record)
    return result


def function_of(arn: str) -> tuple[str, str]:
    """Name and qualifier in ``arn:aws:lambda:region:account:function:name[:qualifier]``."""
    parts = arn.split(":")
    return (parts[6] if len(parts) > 6 else arn), (parts[7] if len(parts) > 7 else "")


def kind_of(described: Answer) -> str:
    """Of the event source of a mapping."""
    source_arn = described.get("EventSourceArn", "")
    if source_arn:
        return _KINDS.get(source_arn.split(":")[2], "other")
    return "kafka" if described.get("SelfManagedEventSource") else "other"


def _provisioned(described: Answer) -> tuple[int | None, int | None, str]:
    return (
        described.get("RequestedProvisionedConcurrentExecutions"),
        described.get("AvailableProvisionedConcurrentExecutions"),
        described.get("Status", ""),
    )
