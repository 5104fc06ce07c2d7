-- What each insert told of an execution environment; rows of one sorting key are one, as in lambda_invocation_parts.
CREATE TABLE IF NOT EXISTS lambda_sandbox_parts
(
    AccountId LowCardinality(String) CODEC(ZSTD(1)),
    Region LowCardinality(String) CODEC(ZSTD(1)),
    FunctionName LowCardinality(String) CODEC(ZSTD(1)),
    InstanceId String CODEC(ZSTD(1)),
    Source LowCardinality(String) CODEC(ZSTD(1)),
    FunctionVersion SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    InitType SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    InitStart SimpleAggregateFunction(min, Nullable(DateTime64(9))) CODEC(ZSTD(1)),
    FirstInvoke SimpleAggregateFunction(min, Nullable(DateTime64(9))) CODEC(ZSTD(1)),
    LastInvoke SimpleAggregateFunction(max, Nullable(DateTime64(9))) CODEC(ZSTD(1)),
    LastEnd SimpleAggregateFunction(max, Nullable(DateTime64(9))) CODEC(ZSTD(1)),
    LastShutdown SimpleAggregateFunction(max, Tuple(DateTime64(9), String)) CODEC(ZSTD(1)),
    LastSeen SimpleAggregateFunction(max, DateTime) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY (AccountId, Region, FunctionName, InstanceId, Source)
SETTINGS index_granularity = 2048,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- define sandboxes_of_spans
WITH SpanAttributes['lambda.phase'] AS phase
SELECT
    any(ResourceAttributes['cloud.account.id']) AS AccountId,
    any(ResourceAttributes['cloud.region']) AS Region,
    any(ResourceAttributes['faas.name']) AS FunctionName,
    ResourceAttributes['faas.instance'] AS InstanceId,
    if(SpanAttributes['lambda.source'] = 'logs', 'logs', 'extension') AS Source,
    any(ResourceAttributes['faas.version']) AS FunctionVersion,
    max(SpanAttributes['lambda.initialization_type']) AS InitType,
    min(if(phase != 'shutdown', Timestamp, NULL)) AS InitStart,
    maxIf((Timestamp, SpanAttributes['lambda.shutdown_reason']), phase = 'shutdown') AS LastShutdown,
    max(toDateTime(Timestamp + toIntervalNanosecond(Duration))) AS LastSeen
FROM otel_traces
WHERE phase IN ('init', 'restore', 'shutdown') AND InstanceId != ''
GROUP BY InstanceId, Source
-- end

-- define sandboxes_of_invocations
SELECT
    AccountId,
    Region,
    FunctionName,
    InstanceId,
    Source,
    max(FunctionVersion) AS FunctionVersion,
    max(InitType) AS InitType,
    min(Start) AS FirstInvoke,
    max(Start) AS LastInvoke,
    max(Start + toIntervalNanosecond(coalesce(ReportedNs, MeasuredNs))) AS LastEnd,
    max(toDateTime(Start + toIntervalNanosecond(coalesce(ReportedNs, MeasuredNs)))) AS LastSeen
FROM lambda_invocation_parts
WHERE bitTest(Seen, 0) AND Start > toDateTime64(0, 9) AND InstanceId != ''
GROUP BY AccountId, Region, FunctionName, InstanceId, Source
-- end

CREATE MATERIALIZED VIEW IF NOT EXISTS lambda_sandbox_spans_mv TO lambda_sandbox_parts AS
${sandboxes_of_spans};

CREATE MATERIALIZED VIEW IF NOT EXISTS lambda_sandbox_invocations_mv TO lambda_sandbox_parts AS
${sandboxes_of_invocations};

-- Lambda shuts the extensions down at each reset, and the environment lives on: it has ended where nothing ran in it
-- after its latest shutdown. Of functions that the extension tells of, what their log lines tell is left out.
-- define sandboxes
WITH
    -- The greatest of tuples takes ClickHouse thrice as long, and few ask for the reason.
    max(parts.LastShutdown.1) AS last_shutdown,
    last_shutdown > toDateTime64(0, 9) AND (isNull(LastInvoke) OR last_shutdown > LastInvoke) AS is_over
SELECT
    AccountId,
    Region,
    InstanceId,
    FunctionName,
    max(parts.FunctionVersion) AS FunctionVersion,
    nullIf(max(parts.InitType), '') AS InitType,
    min(parts.InitStart) AS InitStart,
    min(parts.FirstInvoke) AS FirstInvoke,
    max(parts.LastInvoke) AS LastInvoke,
    max(parts.LastEnd) AS LastEnd,
    if(is_over, last_shutdown, NULL) AS ShutdownAt,
    if(is_over, nullIf(max(parts.LastShutdown).2, ''), NULL) AS ShutdownReason
FROM lambda_sandbox_parts AS parts
WHERE (SELECT count() = 0 FROM lambda_sandbox_parts WHERE Source = 'logs')
    OR Source = 'extension' OR FunctionName GLOBAL NOT IN
    (SELECT FunctionName FROM lambda_sandbox_parts WHERE Source = 'extension')
GROUP BY AccountId, Region, FunctionName, InstanceId
-- end

-- One row per execution environment, without a count of what ran in it, for which all of that has to be read.
CREATE OR REPLACE VIEW lambda_sandbox_lives AS
${sandboxes};

-- One row per execution environment. Counts the attempts of every one: lambda_sandboxes_between counts those of a range.
CREATE OR REPLACE VIEW lambda_sandboxes AS
SELECT
    AccountId, Region, InstanceId, FunctionName, FunctionVersion, InitType, InitStart, FirstInvoke, LastInvoke,
    ShutdownAt, ShutdownReason, counted.Invocations AS Invocations
FROM (${sandboxes}) AS sandboxes
GLOBAL ANY LEFT JOIN
(
    SELECT AccountId, Region, FunctionName, InstanceId, count() AS Invocations
    FROM lambda_invocations
    GROUP BY AccountId, Region, FunctionName, InstanceId
) AS counted USING (AccountId, Region, FunctionName, InstanceId)
SETTINGS join_use_nulls = 0;

-- The execution environments that lived in [from, to), and the attempts that started in them in that time.
CREATE OR REPLACE VIEW lambda_sandboxes_between AS
SELECT
    AccountId, Region, InstanceId, FunctionName, FunctionVersion, InitType, InitStart, FirstInvoke, LastInvoke,
    ShutdownAt, ShutdownReason, counted.Invocations AS Invocations
FROM (${sandboxes}) AS sandboxes
GLOBAL ANY LEFT JOIN
(
    SELECT AccountId, Region, FunctionName, InstanceId, count() AS Invocations
    FROM lambda_invocations
    WHERE Start >= {from:DateTime64(9, 'UTC')} AND Start < {to:DateTime64(9, 'UTC')}
    GROUP BY AccountId, Region, FunctionName, InstanceId
) AS counted USING (AccountId, Region, FunctionName, InstanceId)
WHERE coalesce(InitStart, FirstInvoke, ShutdownAt) < {to:DateTime64(9, 'UTC')}
    AND coalesce(ShutdownAt, LastEnd, LastInvoke, InitStart) >= {from:DateTime64(9, 'UTC')}
SETTINGS join_use_nulls = 0;
