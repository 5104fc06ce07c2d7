-- A phase of a sandbox or of an invocation. Nothing is grouped, so that every filter reaches otel_traces.
CREATE OR REPLACE VIEW lambda_phases AS
SELECT
    ResourceAttributes['cloud.account.id'] AS AccountId,
    ResourceAttributes['cloud.region'] AS Region,
    ResourceAttributes['faas.name'] AS FunctionName,
    ResourceAttributes['faas.version'] AS FunctionVersion,
    ResourceAttributes['faas.instance'] AS InstanceId,
    nullIf(SpanAttributes['faas.invocation_id'], '') AS RequestId,
    TraceId,
    SpanAttributes['lambda.phase'] AS Phase,
    nullIf(SpanAttributes['lambda.phase.source'], '') AS Source,
    Timestamp AS Start,
    Duration / 1e6 AS DurationMs,
    nullIf(SpanAttributes['lambda.status'], '') AS Status
FROM otel_traces
WHERE SpanAttributes['lambda.phase'] != '' AND SpanAttributes['lambda.in_flight'] != 'true';

-- One row per attempt of an invocation that started in [from, to): the spans of an attempt put together by
-- (RequestId, InstanceId, Attempt). Each aggregate takes any of the equal values, so order and repeats do not matter.
-- Spans are looked for until 20 minutes after `to`: no invocation lasts longer than 15.
CREATE OR REPLACE VIEW lambda_invocations_between AS
WITH
    SpanAttributes['lambda.phase'] AS phase,
    SpanAttributes['lambda.in_flight'] = 'true' AS started_only,
    phase = 'invoke' AS of_invoke,
    phase = 'invoke' AND NOT started_only AS of_end,
    phase = 'post_runtime' AS of_report,
    anyIfOrNull(toFloat64OrNull(SpanAttributes['lambda.duration_ms']), of_report) AS reported_ms,
    anyIfOrNull(Duration / 1e6, of_end) AS measured_ms,
    anyIfOrNull(Timestamp, of_invoke) AS start_time,
    toInt64OrNull(anyIfOrNull(SpanAttributes['lambda.busy_start_unix_nano'],
        of_invoke AND SpanAttributes['lambda.busy_start_unix_nano'] != '')) AS busy_start_unix_nano
SELECT
    SpanAttributes['faas.invocation_id'] AS RequestId,
    toUInt32OrZero(SpanAttributes['lambda.attempt']) AS Attempt,
    'extension' AS Source,
    any(ResourceAttributes['faas.name']) AS FunctionName,
    any(ResourceAttributes['faas.version']) AS FunctionVersion,
    anyIfOrNull(SpanAttributes['aws.lambda.invoked_arn'], SpanAttributes['aws.lambda.invoked_arn'] != '') AS InvokedArn,
    any(ResourceAttributes['cloud.account.id']) AS AccountId,
    any(ResourceAttributes['cloud.region']) AS Region,
    ResourceAttributes['faas.instance'] AS InstanceId,
    anyIf(TraceId, of_invoke) AS TraceId,
    assumeNotNull(start_time) AS Start,
    addNanoseconds(start_time, toInt64(round(DurationMs * 1e6))) AS End,
    coalesce(fromUnixTimestamp64Nano(busy_start_unix_nano), Start) AS BusyStart,
    coalesce(reported_ms, measured_ms) AS DurationMs,
    anyIfOrNull(toFloat64OrNull(SpanAttributes['lambda.billed_duration_ms']), of_report) AS BilledDurationMs,
    anyIfOrNull(toFloat64OrNull(SpanAttributes['lambda.init_duration_ms']), of_report) AS InitDurationMs,
    anyIfOrNull(toFloat64OrNull(SpanAttributes['lambda.restore_duration_ms']), of_report) AS RestoreDurationMs,
    anyIfOrNull(toUInt8(SpanAttributes['faas.coldstart'] = 'true'),
        of_invoke AND SpanAttributes['faas.coldstart'] != '') AS ColdStart,
    anyIfOrNull(toUInt8(SpanAttributes['lambda.proactive_init'] = 'true'),
        of_invoke AND SpanAttributes['lambda.proactive_init'] != '') AS ProactiveInit,
    anyIfOrNull(SpanAttributes['lambda.initialization_type'],
        of_invoke AND SpanAttributes['lambda.initialization_type'] != '') AS InitType,
    coalesce(
        anyIfOrNull(SpanAttributes['lambda.status'], of_report AND SpanAttributes['lambda.status'] != ''),
        anyIfOrNull(SpanAttributes['lambda.status'], of_end AND SpanAttributes['lambda.status'] != '')) AS Status,
    coalesce(
        anyIfOrNull(SpanAttributes['error.type'], of_report AND SpanAttributes['error.type'] != ''),
        anyIfOrNull(SpanAttributes['error.type'], of_end AND SpanAttributes['error.type'] != '')) AS ErrorType,
    coalesce(
        anyIfOrNull(toUInt32OrNull(SpanAttributes['lambda.memory_size_mb']), of_report),
        any(toUInt32(intDiv(toUInt64OrNull(ResourceAttributes['faas.max_memory']), 1048576)))) AS MemorySizeMB,
    anyIfOrNull(toUInt32OrNull(SpanAttributes['lambda.max_memory_used_mb']), of_report) AS MaxMemoryUsedMB,
    anyIfOrNull(SpanAttributes['faas.trigger'], SpanAttributes['faas.trigger'] != '') AS Trigger,
    CAST(NULL, 'Nullable(String)') AS EventSourceArn,
    CAST(NULL, 'Nullable(UInt32)') AS BatchSize,
    CAST(NULL, 'Nullable(Float64)') AS IteratorAgeMs,
    anyIfOrNull(Duration / 1e6, of_report) AS PostRuntimeMs,
    coalesce(
        anyIfOrNull(Duration / 1e6, phase = 'response_latency'),
        anyIfOrNull(toFloat64OrNull(SpanAttributes['lambda.response_latency_ms']), of_end)) AS ResponseLatencyMs,
    coalesce(
        anyIfOrNull(Duration / 1e6, phase = 'response_duration'),
        anyIfOrNull(toFloat64OrNull(SpanAttributes['lambda.response_duration_ms']), of_end)) AS ResponseDurationMs,
    coalesce(
        anyIfOrNull(Duration / 1e6, phase = 'runtime_overhead'),
        anyIfOrNull(toFloat64OrNull(SpanAttributes['lambda.runtime_overhead_ms']), of_end)) AS RuntimeOverheadMs,
    anyIfOrNull(toUInt64OrNull(SpanAttributes['lambda.produced_bytes']), of_end) AS ProducedBytes,
    anyIfOrNull(ResourceAttributes['host.arch'], ResourceAttributes['host.arch'] != '') AS Architecture,
    anyIfOrNull(SpanAttributes['lambda.runtime_version'],
        of_invoke AND SpanAttributes['lambda.runtime_version'] != '') AS RuntimeVersion,
    toUInt8(isNull(reported_ms)) AS EndEstimated
FROM otel_traces
WHERE phase IN ('invoke', 'post_runtime', 'response_latency', 'response_duration', 'runtime_overhead')
    AND RequestId != ''
    AND Timestamp >= {from:DateTime64(9, 'UTC')}
    AND Timestamp < {to:DateTime64(9, 'UTC')} + INTERVAL 20 MINUTE
GROUP BY RequestId, InstanceId, Attempt
HAVING isNotNull(start_time) AND Start < {to:DateTime64(9, 'UTC')};

-- One row per attempt of an invocation. Reads every span; lambda_invocations_between reads those of a time range.
CREATE OR REPLACE VIEW lambda_invocations AS
SELECT * FROM lambda_invocations_between(from = '1970-01-01 00:00:00', to = '2262-01-01 00:00:00');

-- One row per execution environment. Lambda shuts the extensions down at each reset, and the environment lives on: it has
-- ended where nothing ran in it after its latest shutdown.
CREATE OR REPLACE VIEW lambda_sandboxes AS
WITH
    SpanAttributes['lambda.phase'] AS phase,
    maxIfOrNull(Timestamp, phase = 'shutdown') AS last_shutdown,
    argMaxIfOrNull(SpanAttributes['lambda.shutdown_reason'], Timestamp, phase = 'shutdown') AS last_reason,
    isNull(LastInvoke) OR last_shutdown > LastInvoke AS is_over
SELECT
    any(ResourceAttributes['cloud.account.id']) AS AccountId,
    any(ResourceAttributes['cloud.region']) AS Region,
    ResourceAttributes['faas.instance'] AS InstanceId,
    any(ResourceAttributes['faas.name']) AS FunctionName,
    any(ResourceAttributes['faas.version']) AS FunctionVersion,
    anyIfOrNull(SpanAttributes['lambda.initialization_type'],
        SpanAttributes['lambda.initialization_type'] != '') AS InitType,
    minIfOrNull(Timestamp, phase = 'init') AS InitStart,
    minIfOrNull(Timestamp, phase = 'invoke') AS FirstInvoke,
    maxIfOrNull(Timestamp, phase = 'invoke') AS LastInvoke,
    if(is_over, last_shutdown, NULL) AS ShutdownAt,
    if(is_over, nullIf(last_reason, ''), NULL) AS ShutdownReason,
    uniqExactIf((SpanAttributes['faas.invocation_id'], SpanAttributes['lambda.attempt']), phase = 'invoke') AS Invocations
FROM otel_traces
WHERE phase != '' AND InstanceId != ''
GROUP BY InstanceId;

-- Exact concurrency: peak and average of [BusyStart, End), in whole milliseconds, per bucket. Buckets are whole ones,
-- aligned to the epoch, that touch [from, to). An invocation is cut up at the borders of the buckets that it crosses.
-- One that has started and not ended counts until now, for 15 minutes at most.
CREATE OR REPLACE VIEW lambda_concurrency AS
WITH
    toInt64({bucket_s:UInt32}) * 1000 AS bucket_ms,
    intDiv(toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}), bucket_ms) * bucket_ms AS from_ms,
    intDiv(toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) + bucket_ms - 1, bucket_ms) * bucket_ms AS to_ms,
    toUnixTimestamp64Milli(now64(3)) AS now_ms,
    busy AS
    (
        SELECT
            AccountId,
            Region,
            FunctionName,
            FunctionVersion,
            toUnixTimestamp64Milli(BusyStart) AS busy_from,
            coalesce(toUnixTimestamp64Milli(End), least(now_ms, busy_from + 900000)) AS busy_to
        FROM lambda_invocations_between(
            from = fromUnixTimestamp64Milli(
                intDiv(toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}), toInt64({bucket_s:UInt32}) * 1000)
                    * toInt64({bucket_s:UInt32}) * 1000 - 1200000, 'UTC'),
            to = {to:DateTime64(3, 'UTC')} + toIntervalSecond({bucket_s:UInt32} + 1200))
        WHERE busy_to > busy_from AND busy_to > from_ms AND busy_from < to_ms
    ),
    pieces AS
    (
        SELECT
            AccountId,
            Region,
            arrayJoin(arrayDistinct([(FunctionName, FunctionVersion), (FunctionName, ''), ('*', '')])) AS grain,
            arrayJoin(range(
                toUInt64(intDiv(greatest(busy_from, from_ms), bucket_ms)),
                toUInt64(intDiv(least(busy_to, to_ms) - 1, bucket_ms) + 1))) * bucket_ms AS bucket_from,
            greatest(busy_from, bucket_from) AS piece_from,
            least(busy_to, bucket_from + bucket_ms) AS piece_to
        FROM busy
    )
SELECT
    AccountId,
    Region,
    toDateTime(intDiv(bucket_from, 1000), 'UTC') AS Bucket,
    grain.1 AS FunctionName,
    grain.2 AS FunctionVersion,
    toUInt64(maxIntersections(piece_from, piece_to)) AS Peak,
    sum(piece_to - piece_from) / any(bucket_ms) AS Avg,
    toUInt8(any(bucket_from + bucket_ms) > any(now_ms) - 300000) AS Provisional
FROM pieces
GROUP BY AccountId, Region, bucket_from, grain;
