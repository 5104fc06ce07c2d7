"""Attribute names, one constant each.

Names of OpenTelemetry's semantic conventions are used where a convention exists (its registry: ``faas``, ``cloud``,
``aws``, ``host``, ``error``, ``service``, ``telemetry``). What has no convention carries the prefix ``lambda.``. A
name that ends in ``_ms``, ``_mb``, ``_bytes`` or ``_unix_nano`` says its unit.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# Resource attributes -------------------------------------------------------------------------------------------------

SERVICE_NAME: Final = "service.name"
"""OTEL_SERVICE_NAME, or the function's name."""
CLOUD_PROVIDER: Final = "cloud.provider"
"""Always ``aws``."""
CLOUD_PLATFORM: Final = "cloud.platform"
"""Always ``aws_lambda``."""
CLOUD_REGION: Final = "cloud.region"
CLOUD_ACCOUNT_ID: Final = "cloud.account.id"
"""The account that owns the function, from the answer to the extension's registration."""
CLOUD_RESOURCE_ID: Final = "cloud.resource_id"
"""The function's ARN with its version, never an alias."""
FAAS_NAME: Final = "faas.name"
FAAS_VERSION: Final = "faas.version"
"""A number or ``$LATEST``."""
FAAS_INSTANCE: Final = "faas.instance"
"""The execution environment: the platform's instance id, else its log stream, else an id that the extension drew."""
FAAS_MAX_MEMORY: Final = "faas.max_memory"
"""The function's memory in bytes (the configured MB times 1,048,576)."""
AWS_LOG_GROUP_NAMES: Final = "aws.log.group.names"
"""A list of one: the function's log group, where the runtime's process could be asked for it."""
AWS_LOG_STREAM_NAMES: Final = "aws.log.stream.names"
"""A list of one: the sandbox's log stream, likewise."""
HOST_ARCH: Final = "host.arch"
"""``amd64`` or ``arm64``."""
TELEMETRY_DISTRO_NAME: Final = "telemetry.distro.name"
TELEMETRY_DISTRO_VERSION: Final = "telemetry.distro.version"

# Span attributes: identity of an invocation --------------------------------------------------------------------------

FAAS_INVOCATION_ID: Final = "faas.invocation_id"
"""The request id. Retries of an asynchronous invocation share it; :data:`ATTEMPT` and the instance tell them apart."""
ATTEMPT: Final = "lambda.attempt"
"""How many ``platform.start`` records this sandbox has seen for the request id, from 1."""
FAAS_COLDSTART: Final = "faas.coldstart"
"""True only on the invocation that waited for the init."""
FAAS_TRIGGER: Final = "faas.trigger"
INVOKED_ARN: Final = "aws.lambda.invoked_arn"
ERROR_TYPE: Final = "error.type"
"""``Runtime.ExitError``, ``Function.…``, ``Extension.Crash``, ``timeout`` and the like; absent on success."""

SOURCE: Final = "lambda.source"
"""Where a span was made from: left out by the extension, ``logs`` where it was made from the platform's log lines. What
the extension reports of an attempt wins."""
START_UNIX_NANO: Final = "lambda.start_unix_nano"
"""``platform.start`` on ``post_runtime`` and the spans of the response, where the span itself does not give it away.
Nanoseconds since the epoch."""
TRIGGER: Final = "lambda.trigger"
"""What called the function, more exactly than :data:`FAAS_TRIGGER` says it: ``sqs``, ``kinesis``, ``apigateway`` …"""
EVENT_SOURCE_ARN: Final = "lambda.event_source_arn"
"""ARN of the queue, stream or topic that the event came from."""
BATCH_SIZE: Final = "lambda.batch_size"
"""Records in the event."""
ITERATOR_AGE_MS: Final = "lambda.iterator_age_ms"
"""From the time of the event's last record until ``platform.start``: of Kinesis, DynamoDB, DocumentDB and Kafka."""
EVENT_FIRST_UNIX_NANO: Final = "lambda.event.first_unix_nano"
"""When the event's first record came into its source. Nanoseconds since the epoch."""
EVENT_LAST_UNIX_NANO: Final = "lambda.event.last_unix_nano"
"""The same of its last record."""
EVENT_ATTEMPT: Final = "lambda.event.attempt"
"""How often the source has delivered the record that it delivered most often, where it counts that (SQS)."""
EVENT_PAYLOAD: Final = "lambda.event.payload"
"""The beginning of the event, masked: only with ``LAMBDASCOPE_PAYLOAD``."""
MESSAGING_SYSTEM: Final = "messaging.system"
"""``aws_sqs``, ``aws.sns``, ``kafka``, ``activemq``, ``rabbitmq``; ``aws_kinesis``, which no convention names yet."""
MESSAGING_OPERATION_TYPE: Final = "messaging.operation.type"
"""Always ``process``."""
MESSAGING_DESTINATION_NAME: Final = "messaging.destination.name"
"""The queue, topic or stream."""
MESSAGING_DESTINATION_PARTITION_ID: Final = "messaging.destination.partition.id"
"""The shard or partition, where all records of the event are of one."""
MESSAGING_BATCH_MESSAGE_COUNT: Final = "messaging.batch.message_count"
"""As :data:`BATCH_SIZE`, for messages."""

# Span attributes: phases ---------------------------------------------------------------------------------------------

PHASE: Final = "lambda.phase"
"""One of :mod:`semconv.phases`."""
IMPORT_NAME: Final = "lambda.import.name"
"""On the spans below ``function_init`` that tell which imports took long: the module."""
PHASE_SOURCE: Final = "lambda.phase.source"
"""Where the phase's boundaries come from: ``telemetry``, ``proc``, ``wrapper`` or ``probe``."""
STATUS: Final = "lambda.status"
"""The platform's word: ``success``, ``failure``, ``error`` or ``timeout``."""
INITIALIZATION_TYPE: Final = "lambda.initialization_type"
"""``on-demand``, ``provisioned-concurrency``, ``snap-start`` or ``lambda-managed-instances``."""
INIT_PHASE: Final = "lambda.init.phase"
"""``init``; ``invoke`` for a suppressed init; ``snap-start``."""
PROACTIVE_INIT: Final = "lambda.proactive_init"
"""True on the first invocation of a sandbox that had been ready for more than 10 s: nobody waited for its init."""
RUNTIME_VERSION: Final = "lambda.runtime_version"
"""Such as ``python:3.12.v38``."""
RUNTIME_VERSION_ARN: Final = "lambda.runtime_version_arn"
BUSY_START_UNIX_NANO: Final = "lambda.busy_start_unix_nano"
"""Start of the init that this invocation waited for, else ``platform.start``. Nanoseconds since the epoch."""
END_ESTIMATED: Final = "lambda.end_estimated"
"""True where the end is a best guess because the platform never told it."""
IN_FLIGHT: Final = "lambda.in_flight"
"""True on the start record of an invocation that is still running; the final span replaces it."""
SHUTDOWN_REASON: Final = "lambda.shutdown_reason"
"""``spindown``, ``timeout`` or ``failure``."""

# Span attributes: figures of the platform ----------------------------------------------------------------------------

DURATION_MS: Final = "lambda.duration_ms"
BILLED_DURATION_MS: Final = "lambda.billed_duration_ms"
MEMORY_SIZE_MB: Final = "lambda.memory_size_mb"
MAX_MEMORY_USED_MB: Final = "lambda.max_memory_used_mb"
INIT_DURATION_MS: Final = "lambda.init_duration_ms"
RESTORE_DURATION_MS: Final = "lambda.restore_duration_ms"
BILLED_RESTORE_DURATION_MS: Final = "lambda.billed_restore_duration_ms"
RESPONSE_LATENCY_MS: Final = "lambda.response_latency_ms"
RESPONSE_DURATION_MS: Final = "lambda.response_duration_ms"
RUNTIME_OVERHEAD_MS: Final = "lambda.runtime_overhead_ms"
PRODUCED_BYTES: Final = "lambda.produced_bytes"

# Span attributes: what the extension itself costs, on init, post_runtime and shutdown --------------------------------

EXTENSION_READY_MS: Final = "lambda.extension.ready_ms"
"""From the start of the extension's process until the platform had answered its registration."""
EXTENSION_CPU_MS: Final = "lambda.extension.cpu_ms"
"""Processor time of the extension's process so far."""
EXTENSION_RSS_BYTES: Final = "lambda.extension.rss_bytes"
"""Its resident memory."""
EXTENSION_FLUSH_MS: Final = "lambda.extension.flush_ms"
"""How long its last flush took. Left out, like all that follow, where it is 0."""
EXTENSION_DROPPED_NO_ROOM: Final = "lambda.extension.dropped.no_room"
"""Items dropped so far because more waited for the collector than the queue holds."""
EXTENSION_DROPPED_REFUSED: Final = "lambda.extension.dropped.refused"
"""Items dropped so far because the collector would not have them."""
EXTENSION_DROPPED_LIMITED: Final = "lambda.extension.dropped.limited"
"""Log lines left out so far because there were more of them than the limit allows."""
EXTENSION_RECORDS_MALFORMED: Final = "lambda.extension.records.malformed"
"""Telemetry records so far that could not be understood."""
EXTENSION_RECORDS_UNKNOWN: Final = "lambda.extension.records.unknown"
"""Telemetry records so far of a type that the extension does not know."""
EXTENSION_RECORDS_LOST: Final = "lambda.extension.records.lost"
"""Telemetry records so far that the platform says it dropped before they reached the extension."""
EXTENSION_EVENTS_LOST: Final = "lambda.extension.events.lost"
"""Events so far that the Runtime API proxy could not tell of, or not so that it was understood; only where it is on."""

# Attributes of log records --------------------------------------------------------------------------------------------

LOG_CUT_CHARACTERS: Final = "lambda.log.cut_characters"
"""How many characters of a long line were left out."""

# Headers and keys of an export, from the layer to the collector ------------------------------------------------------

EXPORT_INSTANCE_HEADER: Final = "x-lambdascope-instance"
"""HTTP header (gRPC: metadata key) of an export: the instance id of the sandbox."""
EXPORT_SEQUENCE_HEADER: Final = "x-lambdascope-sequence"
"""The batch's number in its sandbox and signal, from 1. A repeat of the same bytes carries the same number."""
EXPORT_TOTAL_HEADER: Final = "x-lambdascope-total"
"""Items that the sandbox has exported or dropped in this signal, this batch included."""
EXPORT_DROPPED_HEADER: Final = "x-lambdascope-dropped"
"""Items that the sandbox has dropped in this signal so far."""
