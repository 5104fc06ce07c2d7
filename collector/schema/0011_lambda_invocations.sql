-- What each insert told of an attempt of an invocation. Rows of one sorting key are one attempt: they merge in the
-- background, and FINAL merges what has not been merged, so that order, repeats and delays change nothing: each column
-- takes the greatest of its values, and what came twice is equal.
--
-- The key begins with the hour, as every question is asked of a range of time, then comes what a function's questions
-- filter by. It needs the start, which only the `invoke` span and its start record carry. A `post_runtime` span gives
-- it away (its end less the report's duration), unless it was cut to nothing; one that came with its `invoke` span in
-- the same insert, as those of the response do, takes it from there. A row that has it from nowhere is stored under the
-- start 0, and is put to the others whenever it is read.
CREATE TABLE IF NOT EXISTS lambda_invocation_parts
(
    AccountId LowCardinality(String) CODEC(ZSTD(1)),
    Region LowCardinality(String) CODEC(ZSTD(1)),
    FunctionName LowCardinality(String) CODEC(ZSTD(1)),
    InstanceId String CODEC(ZSTD(1)),
    Start DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    RequestId String CODEC(ZSTD(1)),
    Attempt UInt32 CODEC(ZSTD(1)),
    Source LowCardinality(String) CODEC(ZSTD(1)),
    Seen SimpleAggregateFunction(groupBitOr, UInt8) CODEC(ZSTD(1)),
    FunctionVersion SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    InvokedArn SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    TraceId SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    LeadNs SimpleAggregateFunction(max, UInt64) CODEC(T64, ZSTD(1)),
    MeasuredNs SimpleAggregateFunction(max, UInt64) CODEC(T64, ZSTD(1)),
    ReportedNs SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(ZSTD(1)),
    BilledDurationMs SimpleAggregateFunction(max, Nullable(Float64)) CODEC(ZSTD(1)),
    InitDurationMs SimpleAggregateFunction(max, Nullable(Float64)) CODEC(ZSTD(1)),
    RestoreDurationMs SimpleAggregateFunction(max, Nullable(Float64)) CODEC(ZSTD(1)),
    ColdStart SimpleAggregateFunction(max, Nullable(UInt8)) CODEC(ZSTD(1)),
    ProactiveInit SimpleAggregateFunction(max, Nullable(UInt8)) CODEC(ZSTD(1)),
    InitType SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    MeasuredStatus SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    ReportedStatus SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    MeasuredErrorType SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    ReportedErrorType SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    ConfiguredMemoryMB SimpleAggregateFunction(max, Nullable(UInt32)) CODEC(ZSTD(1)),
    ReportedMemoryMB SimpleAggregateFunction(max, Nullable(UInt32)) CODEC(ZSTD(1)),
    MaxMemoryUsedMB SimpleAggregateFunction(max, Nullable(UInt32)) CODEC(ZSTD(1)),
    Trigger SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    EventSourceArn SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    BatchSize SimpleAggregateFunction(max, Nullable(UInt32)) CODEC(ZSTD(1)),
    IteratorAgeMs SimpleAggregateFunction(max, Nullable(Float64)) CODEC(ZSTD(1)),
    PostRuntimeNs SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(ZSTD(1)),
    ResponseLatencyNs SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(ZSTD(1)),
    ResponseDurationNs SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(ZSTD(1)),
    RuntimeOverheadNs SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(ZSTD(1)),
    ProducedBytes SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(ZSTD(1)),
    Architecture SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    RuntimeVersion SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    SpanTime SimpleAggregateFunction(max, DateTime) CODEC(ZSTD(1)),
    INDEX idx_request_id RequestId TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_source Source TYPE set(2) GRANULARITY 16
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(Start, 'UTC')
ORDER BY (toStartOfHour(Start, 'UTC'), AccountId, Region, FunctionName, InstanceId, Start, RequestId, Attempt, Source)
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- define parts_of_spans
WITH
    SpanAttributes['lambda.phase'] AS phase,
    phase = 'invoke' AS of_invoke,
    of_invoke AND SpanAttributes['lambda.in_flight'] != 'true' AS of_end,
    phase = 'post_runtime' AS of_report,
    toFloat64OrNull(SpanAttributes['lambda.duration_ms']) AS duration_ms,
    toInt64OrZero(SpanAttributes['lambda.start_unix_nano']) AS told_start_ns,
    multiIf(
        of_invoke, toUnixTimestamp64Nano(Timestamp),
        told_start_ns != 0, told_start_ns,
        of_report AND Duration > 0 AND isNotNull(duration_ms),
            toUnixTimestamp64Nano(Timestamp) + toInt64(Duration) - toInt64(round(assumeNotNull(duration_ms) * 1e6)),
        0) AS own_start_ns,
    if(anyIf(own_start_ns, of_invoke) != 0, anyIf(own_start_ns, of_invoke), max(own_start_ns)) AS start_ns
SELECT
    any(ResourceAttributes['cloud.account.id']) AS AccountId,
    any(ResourceAttributes['cloud.region']) AS Region,
    any(ResourceAttributes['faas.name']) AS FunctionName,
    ResourceAttributes['faas.instance'] AS InstanceId,
    fromUnixTimestamp64Nano(start_ns) AS Start,
    SpanAttributes['faas.invocation_id'] AS RequestId,
    toUInt32OrZero(SpanAttributes['lambda.attempt']) AS Attempt,
    if(SpanAttributes['lambda.source'] = 'logs', 'logs', 'extension') AS Source,
    groupBitOr(toUInt8(of_invoke) + 2 * toUInt8(of_end) + 4 * toUInt8(of_report)) AS Seen,
    any(ResourceAttributes['faas.version']) AS FunctionVersion,
    max(SpanAttributes['aws.lambda.invoked_arn']) AS InvokedArn,
    max(TraceId) AS TraceId,
    maxIf(toUInt64(greatest(own_start_ns - toInt64OrZero(SpanAttributes['lambda.busy_start_unix_nano']), 0)),
        of_invoke AND SpanAttributes['lambda.busy_start_unix_nano'] != '') AS LeadNs,
    maxIf(Duration, of_end) AS MeasuredNs,
    maxIf(toUInt64(round(duration_ms * 1e6)), of_report) AS ReportedNs,
    maxIf(toFloat64OrNull(SpanAttributes['lambda.billed_duration_ms']), of_report) AS BilledDurationMs,
    maxIf(toFloat64OrNull(SpanAttributes['lambda.init_duration_ms']), of_report) AS InitDurationMs,
    maxIf(toFloat64OrNull(SpanAttributes['lambda.restore_duration_ms']), of_report) AS RestoreDurationMs,
    max(if(of_invoke, transform(SpanAttributes['faas.coldstart'], ['true', 'false'], [1, 0], NULL), NULL)) AS ColdStart,
    max(if(of_invoke, transform(SpanAttributes['lambda.proactive_init'], ['true', 'false'], [1, 0], NULL), NULL))
        AS ProactiveInit,
    maxIf(SpanAttributes['lambda.initialization_type'], of_invoke) AS InitType,
    maxIf(SpanAttributes['lambda.status'], of_end) AS MeasuredStatus,
    maxIf(SpanAttributes['lambda.status'], of_report) AS ReportedStatus,
    maxIf(SpanAttributes['error.type'], of_end) AS MeasuredErrorType,
    maxIf(SpanAttributes['error.type'], of_report) AS ReportedErrorType,
    any(toUInt32(intDiv(toUInt64OrNull(ResourceAttributes['faas.max_memory']), 1048576))) AS ConfiguredMemoryMB,
    maxIf(toUInt32OrNull(SpanAttributes['lambda.memory_size_mb']), of_report) AS ReportedMemoryMB,
    maxIf(toUInt32OrNull(SpanAttributes['lambda.max_memory_used_mb']), of_report) AS MaxMemoryUsedMB,
    max(if(SpanAttributes['lambda.trigger'] != '', SpanAttributes['lambda.trigger'], SpanAttributes['faas.trigger']))
        AS Trigger,
    max(SpanAttributes['lambda.event_source_arn']) AS EventSourceArn,
    max(toUInt32OrNull(SpanAttributes['lambda.batch_size'])) AS BatchSize,
    max(toFloat64OrNull(SpanAttributes['lambda.iterator_age_ms'])) AS IteratorAgeMs,
    max(if(of_report AND SpanAttributes['lambda.source'] != 'logs', Duration, NULL)) AS PostRuntimeNs,
    max(multiIf(phase = 'response_latency', Duration,
        of_end, toUInt64(round(toFloat64OrNull(SpanAttributes['lambda.response_latency_ms']) * 1e6)), NULL))
        AS ResponseLatencyNs,
    max(multiIf(phase = 'response_duration', Duration,
        of_end, toUInt64(round(toFloat64OrNull(SpanAttributes['lambda.response_duration_ms']) * 1e6)), NULL))
        AS ResponseDurationNs,
    max(multiIf(phase = 'runtime_overhead', Duration,
        of_end, toUInt64(round(toFloat64OrNull(SpanAttributes['lambda.runtime_overhead_ms']) * 1e6)), NULL))
        AS RuntimeOverheadNs,
    maxIf(toUInt64OrNull(SpanAttributes['lambda.produced_bytes']), of_end) AS ProducedBytes,
    any(ResourceAttributes['host.arch']) AS Architecture,
    maxIf(SpanAttributes['lambda.runtime_version'], of_invoke) AS RuntimeVersion,
    if(start_ns = 0, max(toDateTime(Timestamp)), toDateTime(0)) AS SpanTime
FROM otel_traces
WHERE phase IN ('invoke', 'post_runtime', 'response_latency', 'response_duration', 'runtime_overhead')
    AND RequestId != ''
GROUP BY RequestId, InstanceId, Attempt, Source
-- end

CREATE MATERIALIZED VIEW IF NOT EXISTS lambda_invocation_parts_mv TO lambda_invocation_parts AS
${parts_of_spans};

-- define told
RequestId,
    Attempt,
    Source,
    FunctionName,
    CAST(FunctionVersion, 'LowCardinality(String)') AS FunctionVersion,
    nullIf(InvokedArn, '') AS InvokedArn,
    AccountId,
    Region,
    InstanceId,
    CAST(TraceId, 'String') AS TraceId,
    Start,
    if(isNull(DurationMs), NULL, addNanoseconds(Start, toInt64(coalesce(ReportedNs, MeasuredNs)))) AS End,
    subtractNanoseconds(Start, toInt64(LeadNs)) AS BusyStart,
    coalesce(ReportedNs, if(bitTest(Seen, 1), MeasuredNs, NULL)) / 1e6 AS DurationMs,
    CAST(BilledDurationMs, 'Nullable(Float64)') AS BilledDurationMs,
    CAST(InitDurationMs, 'Nullable(Float64)') AS InitDurationMs,
    CAST(RestoreDurationMs, 'Nullable(Float64)') AS RestoreDurationMs,
    CAST(ColdStart, 'Nullable(UInt8)') AS ColdStart,
    CAST(ProactiveInit, 'Nullable(UInt8)') AS ProactiveInit,
    nullIf(InitType, '') AS InitType,
    nullIf(if(ReportedStatus != '', ReportedStatus, MeasuredStatus), '') AS Status,
    nullIf(if(ReportedErrorType != '', ReportedErrorType, MeasuredErrorType), '') AS ErrorType,
    coalesce(ReportedMemoryMB, ConfiguredMemoryMB) AS MemorySizeMB,
    CAST(MaxMemoryUsedMB, 'Nullable(UInt32)') AS MaxMemoryUsedMB,
    nullIf(Trigger, '') AS Trigger,
    nullIf(EventSourceArn, '') AS EventSourceArn,
    CAST(BatchSize, 'Nullable(UInt32)') AS BatchSize,
    CAST(IteratorAgeMs, 'Nullable(Float64)') AS IteratorAgeMs,
    PostRuntimeNs / 1e6 AS PostRuntimeMs,
    ResponseLatencyNs / 1e6 AS ResponseLatencyMs,
    ResponseDurationNs / 1e6 AS ResponseDurationMs,
    RuntimeOverheadNs / 1e6 AS RuntimeOverheadMs,
    CAST(ProducedBytes, 'Nullable(UInt64)') AS ProducedBytes,
    nullIf(Architecture, '') AS Architecture,
    nullIf(RuntimeVersion, '') AS RuntimeVersion,
    toUInt8(isNull(ReportedNs)) AS EndEstimated
-- end

-- define loose
(SELECT RequestId, InstanceId, Attempt FROM lambda_invocation_parts WHERE Start = toDateTime64(0, 9))
-- end

-- What there is seldom is looked for by itself, before anything else is read: where there is none, ClickHouse knows the
-- condition to be true and leaves it out. The index would be asked of every part each time; without it, ClickHouse
-- remembers of each part that it has no such row.
-- define none_is_loose
(SELECT count() = 0 FROM lambda_invocation_parts WHERE Start = toDateTime64(0, 9))
-- end

-- define none_is_of_logs
(SELECT count() = 0 FROM lambda_invocation_parts WHERE Source = 'logs' SETTINGS use_skip_indexes = 0)
-- end

-- What the extension has told of an attempt wins over what the platform's log lines tell. Only functions of which there
-- are log lines are looked at for it.
-- define best_source
(${none_is_of_logs} OR Source = 'extension' OR (RequestId, Attempt) GLOBAL NOT IN
    (
        SELECT RequestId, Attempt
        FROM lambda_invocation_parts
        WHERE Source = 'extension'
            AND FunctionName GLOBAL IN (SELECT FunctionName FROM lambda_invocation_parts WHERE Source = 'logs')
    ))
-- end

-- One row per attempt of an invocation. Filters on Start, AccountId, Region, FunctionName and InstanceId reach the key.
CREATE OR REPLACE VIEW lambda_invocations AS
SELECT
    ${told}
FROM
(
    SELECT
        RequestId, Attempt, InstanceId, Source, AccountId, Region, FunctionName, Start, Seen, FunctionVersion,
        InvokedArn, TraceId, LeadNs, MeasuredNs, ReportedNs, BilledDurationMs, InitDurationMs, RestoreDurationMs,
        ColdStart, ProactiveInit, InitType, MeasuredStatus, ReportedStatus, MeasuredErrorType, ReportedErrorType,
        ConfiguredMemoryMB, ReportedMemoryMB, MaxMemoryUsedMB, Trigger, EventSourceArn, BatchSize, IteratorAgeMs,
        PostRuntimeNs, ResponseLatencyNs, ResponseDurationNs, RuntimeOverheadNs, ProducedBytes, Architecture,
        RuntimeVersion
    FROM lambda_invocation_parts FINAL
    WHERE Start > toDateTime64(0, 9)
        AND bitTest(Seen, 0)
        AND (${none_is_loose} OR (RequestId, InstanceId, Attempt) GLOBAL NOT IN ${loose})
    UNION ALL
    SELECT
        RequestId, Attempt, InstanceId, Source,
        toLowCardinality(any(parts.AccountId)) AS AccountId, toLowCardinality(any(parts.Region)) AS Region, toLowCardinality(any(parts.FunctionName)) AS FunctionName,
        max(parts.Start) AS Start, groupBitOr(parts.Seen) AS Seen,
        toLowCardinality(max(parts.FunctionVersion)) AS FunctionVersion, toLowCardinality(max(parts.InvokedArn)) AS InvokedArn,
        max(parts.TraceId) AS TraceId, max(parts.LeadNs) AS LeadNs, max(parts.MeasuredNs) AS MeasuredNs,
        max(parts.ReportedNs) AS ReportedNs, max(parts.BilledDurationMs) AS BilledDurationMs,
        max(parts.InitDurationMs) AS InitDurationMs, max(parts.RestoreDurationMs) AS RestoreDurationMs,
        max(parts.ColdStart) AS ColdStart, max(parts.ProactiveInit) AS ProactiveInit,
        toLowCardinality(max(parts.InitType)) AS InitType, toLowCardinality(max(parts.MeasuredStatus)) AS MeasuredStatus,
        toLowCardinality(max(parts.ReportedStatus)) AS ReportedStatus, toLowCardinality(max(parts.MeasuredErrorType)) AS MeasuredErrorType,
        toLowCardinality(max(parts.ReportedErrorType)) AS ReportedErrorType, max(parts.ConfiguredMemoryMB) AS ConfiguredMemoryMB,
        max(parts.ReportedMemoryMB) AS ReportedMemoryMB, max(parts.MaxMemoryUsedMB) AS MaxMemoryUsedMB,
        toLowCardinality(max(parts.Trigger)) AS Trigger, toLowCardinality(max(parts.EventSourceArn)) AS EventSourceArn, max(parts.BatchSize) AS BatchSize,
        max(parts.IteratorAgeMs) AS IteratorAgeMs, max(parts.PostRuntimeNs) AS PostRuntimeNs,
        max(parts.ResponseLatencyNs) AS ResponseLatencyNs, max(parts.ResponseDurationNs) AS ResponseDurationNs,
        max(parts.RuntimeOverheadNs) AS RuntimeOverheadNs, max(parts.ProducedBytes) AS ProducedBytes,
        toLowCardinality(max(parts.Architecture)) AS Architecture, toLowCardinality(max(parts.RuntimeVersion)) AS RuntimeVersion
    FROM lambda_invocation_parts AS parts
    WHERE NOT ${none_is_loose} AND (RequestId, InstanceId, Attempt) GLOBAL IN ${loose}
    GROUP BY RequestId, InstanceId, Attempt, Source
    HAVING bitTest(Seen, 0)
)
WHERE ${best_source};

-- The same rows where time is bounded. ClickHouse does not conclude from Start to the hour that the key begins with, and
-- reads whole days where it is not told. Hours are those of DateTime, which ends in 2106.
CREATE OR REPLACE VIEW lambda_invocations_between AS
SELECT *
FROM lambda_invocations
WHERE Start >= {from:DateTime64(9, 'UTC')} AND Start < {to:DateTime64(9, 'UTC')}
    AND ({from:DateTime64(9, 'UTC')} < toDateTime64(0, 9) OR {to:DateTime64(9, 'UTC')} >= toDateTime64('2106-01-01', 9, 'UTC')
        OR toStartOfHour(Start, 'UTC') BETWEEN toStartOfHour({from:DateTime64(9, 'UTC')}, 'UTC')
            AND toStartOfHour({to:DateTime64(9, 'UTC')}, 'UTC'));
