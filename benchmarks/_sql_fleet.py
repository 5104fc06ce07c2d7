"""A fleet as rows, made by ClickHouse itself: 1,000 functions over days, as the layer would have reported them.

Durations are log-normal, functions are of unequal size, ids are random, one invocation in a hundred waits for an init.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

DAY_S: Final = 86_400

_DRAWN: Final = """
SELECT
    toUInt32(floor({functions:UInt32} * pow(randCanonical(1), 1.5))) AS function,
    toInt64({begin_s:UInt32}) * 1000 + toInt64(randUniform(0, {length_s:UInt32} * 1000)) AS start_ms,
    lower(hex(MD5(concat(toString(function), '/', toString(rand(2) % (1 + function % 4)), '/',
        toString(intDiv(start_ms, 7200000)))))) AS instance,
    toString(generateUUIDv4()) AS request,
    lower(hex(reinterpretAsFixedString(generateUUIDv4(3)))) AS trace,
    toUInt64(greatest(1, least(870000, exp(randNormal(4, 1)))) * 100) * 10000 AS runtime_ns,
    toUInt64(100 + rand(4) % 400) * 10000 AS post_ns,
    rand(5) % 100 = 0 AS cold,
    toUInt64(20000 + rand(6) % 60000) * 10000 AS init_ns,
    multiIf(rand(7) % 200 = 0, 'error', rand(7) % 1999 = 0, 'timeout', 'success') AS status,
    [128, 256, 512, 1024][1 + function % 4] AS memory_mb,
    toUInt32(memory_mb * (0.3 + (rand(8) % 500) / 1000)) AS used_mb,
    if(function % 3 = 0, 'arm64', 'amd64') AS architecture,
    concat('function-', leftPad(toString(function), 4, '0')) AS name,
    toString(1 + intDiv(toUInt32(start_ms / 1000), 864000) % 7) AS version
FROM numbers_mt({rows:UInt64})
"""

_PARTS: Final = f"""
INSERT INTO lambda_invocation_parts
    (AccountId, Region, FunctionName, InstanceId, Start, RequestId, Attempt, Source, Seen, FunctionVersion, InvokedArn,
    TraceId, LeadNs, MeasuredNs, ReportedNs, BilledDurationMs, InitDurationMs, ColdStart, ProactiveInit, InitType,
    MeasuredStatus, ReportedStatus, MeasuredErrorType, ReportedErrorType, ConfiguredMemoryMB, ReportedMemoryMB,
    MaxMemoryUsedMB, PostRuntimeNs, ResponseLatencyNs, ResponseDurationNs, RuntimeOverheadNs, ProducedBytes,
    Architecture, RuntimeVersion)
SELECT
    '123456789012', 'eu-west-1', name, instance, fromUnixTimestamp64Milli(start_ms), request, 1, 'extension', 7,
    version, concat('arn:aws:lambda:eu-west-1:123456789012:function:', name, ':live'), trace, if(cold, init_ns, 0),
    runtime_ns, runtime_ns + post_ns, ceil((runtime_ns + post_ns + if(cold, init_ns, 0)) / 1e6),
    if(cold, init_ns / 1e6, NULL), cold, 0, 'on-demand', status, status, if(status = 'error', 'Function.Error', ''),
    if(status = 'error', 'Function.Error', ''),
    memory_mb, memory_mb, used_mb, post_ns, toUInt64(runtime_ns * 0.9), toUInt64(runtime_ns * 0.05),
    toUInt64(runtime_ns * 0.05), rand(9) % 20000, architecture, 'python:3.12.v38'
FROM ({_DRAWN})
"""

_SPANS: Final = f"""
INSERT INTO otel_traces
    (Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName, ResourceAttributes,
    ScopeName, ScopeVersion, SpanAttributes, Duration, StatusCode, StatusMessage)
SELECT
    fromUnixTimestamp64Nano(start_ms * 1000000 + span.2), trace,
    if(span.1 = 'invoke', parent, lower(hex(rand64(number_of_span)))), if(span.1 = 'invoke', '', parent), '',
    if(span.1 = 'invoke', name, span.1), if(span.1 = 'invoke', 'Server', 'Internal'), name,
    map('aws.log.group.names', concat('["/aws/lambda/', name, '"]'), 'cloud.account.id', '123456789012',
        'cloud.platform', 'aws_lambda', 'cloud.provider', 'aws', 'cloud.region', 'eu-west-1',
        'cloud.resource_id', concat('arn:aws:lambda:eu-west-1:123456789012:function:', name, ':', version),
        'faas.instance', instance, 'faas.max_memory', toString(memory_mb * 1048576), 'faas.name', name,
        'faas.version', version, 'host.arch', architecture, 'service.name', name,
        'telemetry.distro.name', 'lambdascope', 'telemetry.distro.version', '0.1.0'),
    'lambdascope', '0.1.0',
    mapSort(mapConcat(
        map('faas.invocation_id', request, 'lambda.attempt', '1', 'lambda.phase', span.1,
            'lambda.phase.source', 'telemetry'),
        multiIf(
            span.1 = 'invoke', map('aws.lambda.invoked_arn',
                concat('arn:aws:lambda:eu-west-1:123456789012:function:', name, ':live'),
                'faas.coldstart', if(cold, 'true', 'false'), 'lambda.busy_start_unix_nano',
                toString(start_ms * 1000000 - if(cold, toInt64(init_ns), 0)), 'lambda.initialization_type', 'on-demand',
                'lambda.proactive_init', 'false', 'lambda.produced_bytes', toString(produced),
                'lambda.runtime_version', 'python:3.12.v38', 'lambda.status', status),
            span.1 = 'post_runtime', map('lambda.billed_duration_ms',
                toString(ceil((runtime_ns + post_ns + if(cold, init_ns, 0)) / 1e6)), 'lambda.duration_ms',
                toString((runtime_ns + post_ns) / 1e6), 'lambda.max_memory_used_mb', toString(used_mb),
                'lambda.memory_size_mb', toString(memory_mb), 'lambda.status', status),
            map()))),
    span.3, if(span.1 IN ('invoke', 'post_runtime'), if(status = 'success', 'Ok', 'Error'), 'Unset'),
    if(status = 'error' AND span.1 IN ('invoke', 'post_runtime'), 'Function.Error', '')
FROM
(
    SELECT
        *, rand(9) % 20000 AS produced, lower(hex(rand64(10))) AS parent, rand64(11) AS number_of_span,
        arrayJoin([
            ('invoke', 0, runtime_ns), ('response_latency', 0, toUInt64(runtime_ns * 0.9)),
            ('response_duration', toInt64(runtime_ns * 0.9), toUInt64(runtime_ns * 0.05)),
            ('runtime_overhead', toInt64(runtime_ns * 0.95), toUInt64(runtime_ns * 0.05)),
            ('post_runtime', toInt64(runtime_ns), post_ns)]) AS span
    FROM ({_DRAWN})
)
"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """How much there is of it.

    Attributes:
        functions: how many.
        invocations: over all days.
        days: whole days in UTC; the last one has its spans in otel_traces as well.
        end_s: end of the last day, seconds since the epoch.
    """

    functions: int
    invocations: int
    days: int
    end_s: int

    @property
    def per_day(self) -> int:
        """Invocations of a day."""
        return self.invocations // self.days


def load_day(client: Client, fleet: Fleet, day: int, *, spans: bool) -> None:
    """Insert one day, counted from 0, hour by hour as it would have come; with `spans` by way of otel_traces."""
    begin_s = fleet.end_s - (fleet.days - day) * DAY_S
    hours = 24 if spans else 4
    for part in range(hours):
        length_s = DAY_S // hours
        client.command(
            _SPANS if spans else _PARTS,
            parameters={
                "functions": fleet.functions,
                "begin_s": begin_s + part * length_s,
                "length_s": length_s,
                "rows": fleet.per_day // hours,
            },
            settings={"max_partitions_per_insert_block": 0, "async_insert": 0},
        )
