-- The causes of throttles and of lag, kept: what lambda_inferred_throttle_causes says of each hour, and
-- lambda_inferred_stream_causes of each day in UTC. The jobs make such a block anew when anything came that it rests on.

-- How much came that the causes of a block rest on, points and polls of the inventory. Kind is 'throttles' (Block is an
-- hour) or 'streams' (a day). IsReached where there is a point of the block itself or of later: else it has no rows yet.
CREATE TABLE IF NOT EXISTS lambda_kept_cause_arrivals
(
    Kind LowCardinality(String) CODEC(ZSTD(1)),
    Block DateTime('UTC') CODEC(ZSTD(1)),
    Arrivals SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    IsReached SimpleAggregateFunction(max, UInt8) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Block, 'UTC')
ORDER BY (Kind, Block)
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Causes of throttles are inferred from the 20 minutes before and after, and an hour before those: of the account, a day. Points
-- are counted by 20 minutes.
-- define throttle_arrivals
SELECT 'throttles' AS Kind, toDateTime(hour * 3600, 'UTC') AS Block, sum(points) AS Arrivals, max(slot >= hour * 3) AS IsReached
FROM
(
    SELECT intDiv(toUnixTimestamp(Time), 1200) AS slot, DimensionSet = '' AS is_account, count() AS points
    FROM lambda_metrics
    WHERE Namespace = 'AWS/Lambda' AND PeriodS = 60 AND DimensionSet IN ('FunctionName', '')
        AND MetricName IN ('Throttles', 'Invocations', 'ConcurrentExecutions', 'Duration', 'UnreservedConcurrentExecutions',
            'ClaimedAccountConcurrency', 'AsyncEventAge', 'AsyncEventsReceived', 'AsyncEventsDropped', 'IteratorAge',
            'CPUThrottles', 'MemoryThrottles', 'DiskThrottles', 'ConcurrencyThrottles')
    GROUP BY slot, is_account
)
ARRAY JOIN range(toUInt32(intDiv(greatest(slot, 1) - 1, 3)), toUInt32(intDiv(slot + if(is_account, 73, 4), 3) + 1)) AS hour
GROUP BY hour
-- end

CREATE MATERIALIZED VIEW IF NOT EXISTS lambda_kept_throttle_arrivals_mv TO lambda_kept_cause_arrivals AS
${throttle_arrivals};

-- Causes of lag are inferred from a day before and an hour after. Points are counted by the hour.
-- define stream_arrivals
SELECT 'streams' AS Kind, toDateTime(day * 86400, 'UTC') AS Block, sum(points) AS Arrivals, max(hour >= day * 24) AS IsReached
FROM
(
    SELECT intDiv(toUnixTimestamp(Time), 3600) AS hour, count() AS points
    FROM lambda_metrics
    WHERE Namespace = 'AWS/Lambda' AND PeriodS = 60 AND (MetricName = 'Invocations' OR DimensionSet = 'FunctionName'
        AND MetricName IN ('IteratorAge', 'Errors', 'Throttles', 'Duration', 'ConcurrentExecutions'))
    GROUP BY hour
)
ARRAY JOIN range(toUInt32(intDiv(greatest(hour, 1) - 1, 24)), toUInt32(intDiv(hour, 24) + 2)) AS day
GROUP BY day
-- end

CREATE MATERIALIZED VIEW IF NOT EXISTS lambda_kept_stream_arrivals_mv TO lambda_kept_cause_arrivals AS
${stream_arrivals};

-- A poll tells of the time around it, and of the time until the next one: of the two hours and a half before and, but for
-- what is reserved, which is asked of two hours, of the day after.
-- define hours_of_polls
arrayMap(one -> ('throttles', toDateTime(one * 3600, 'UTC')), range(toUInt32(greatest(hour, 3) - 3), toUInt32(hour + 26)))
-- end

-- define days_of_polls
arrayMap(one -> ('streams', toDateTime(one * 86400, 'UTC')), range(toUInt32(intDiv(greatest(hour, 3) - 3, 24)),
    toUInt32(intDiv(hour + 25, 24) + 1)))
-- end

-- define arrivals_of_polls
SELECT block.1 AS Kind, block.2 AS Block, sum(polls) AS Arrivals, 0 AS IsReached
-- end

-- define hour_of_poll
intDiv(toUnixTimestamp(toDateTime(PolledAt)), 3600) AS hour, count() AS polls
-- end

CREATE MATERIALIZED VIEW IF NOT EXISTS lambda_kept_cause_arrivals_functions_mv TO lambda_kept_cause_arrivals AS
${arrivals_of_polls}
FROM (SELECT ${hour_of_poll} FROM lambda_functions GROUP BY hour)
ARRAY JOIN arraySlice(${hours_of_polls}, 1, 7) AS block
GROUP BY block;

CREATE MATERIALIZED VIEW IF NOT EXISTS lambda_kept_cause_arrivals_limits_mv TO lambda_kept_cause_arrivals AS
${arrivals_of_polls}
FROM (SELECT ${hour_of_poll} FROM lambda_account_limits GROUP BY hour)
ARRAY JOIN ${hours_of_polls} AS block
GROUP BY block;

CREATE MATERIALIZED VIEW IF NOT EXISTS lambda_kept_cause_arrivals_mappings_mv TO lambda_kept_cause_arrivals AS
${arrivals_of_polls}
FROM (SELECT ${hour_of_poll} FROM lambda_event_source_mappings GROUP BY hour)
ARRAY JOIN ${days_of_polls} AS block
GROUP BY block;

CREATE MATERIALIZED VIEW IF NOT EXISTS lambda_kept_cause_arrivals_sources_mv TO lambda_kept_cause_arrivals AS
${arrivals_of_polls}
FROM (SELECT ${hour_of_poll} FROM lambda_event_sources GROUP BY hour)
ARRAY JOIN ${days_of_polls} AS block
GROUP BY block;

-- Rows of lambda_inferred_throttle_causes. A block is written in one piece, with a row without a function that says what it was
-- made of: how much had come, and a hash of the rules and of what the inventory knew. Of a block, the rows of the highest
-- Version count. An older row goes when parts merge where a newer one has its key; where none has, it stays, one per
-- function and minute at most, and goes with the retention.
CREATE TABLE IF NOT EXISTS lambda_kept_throttle_causes
(
    Block DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    Version UInt64 CODEC(ZSTD(1)),
    Arrivals UInt64 CODEC(ZSTD(1)),
    Rules UInt64 CODEC(ZSTD(1)),
    AccountId LowCardinality(String) CODEC(ZSTD(1)),
    Region LowCardinality(String) CODEC(ZSTD(1)),
    FunctionName String CODEC(ZSTD(1)),
    Minute DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    Throttles Float64 CODEC(ZSTD(1)),
    Invocations Float64 CODEC(ZSTD(1)),
    ThrottleRate Float64 CODEC(ZSTD(1)),
    Cause String CODEC(ZSTD(1)),
    Confidence String CODEC(ZSTD(1)),
    Inferred UInt8 CODEC(ZSTD(1)),
    Since DateTime('UTC') CODEC(ZSTD(1)),
    Evidence String CODEC(ZSTD(1)),
    ReservedConcurrency Nullable(UInt32) CODEC(ZSTD(1)),
    ReservationKnown UInt8 CODEC(ZSTD(1)),
    Concurrency Nullable(Float64) CODEC(ZSTD(1)),
    ConcurrencyRise Float64 CODEC(ZSTD(1)),
    RequestsPerS Float64 CODEC(ZSTD(1)),
    MeanDurationMs Nullable(Float64) CODEC(ZSTD(1)),
    AccountLimit Nullable(Float64) CODEC(ZSTD(1)),
    ClaimedConcurrency Nullable(Float64) CODEC(ZSTD(1)),
    UnreservedConcurrency Nullable(Float64) CODEC(ZSTD(1)),
    FunctionsThrottled UInt64 CODEC(ZSTD(1)),
    Holders Array(Tuple(String, Float64, Float64)) CODEC(ZSTD(1)),
    Trigger String CODEC(ZSTD(1)),
    Effect String CODEC(ZSTD(1)),
    IteratorAgeMs Nullable(Float64) CODEC(ZSTD(1)),
    AsyncEventAgeMs Nullable(Float64) CODEC(ZSTD(1)),
    AsyncEventsDropped Nullable(Float64) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(Version)
PARTITION BY toDate(Minute, 'UTC')
ORDER BY (Block, AccountId, Region, FunctionName, Minute)
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Rows of lambda_inferred_stream_causes, likewise.
CREATE TABLE IF NOT EXISTS lambda_kept_stream_causes
(
    Block DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    Version UInt64 CODEC(ZSTD(1)),
    Arrivals UInt64 CODEC(ZSTD(1)),
    Rules UInt64 CODEC(ZSTD(1)),
    AccountId LowCardinality(String) CODEC(ZSTD(1)),
    Region LowCardinality(String) CODEC(ZSTD(1)),
    FunctionName String CODEC(ZSTD(1)),
    Uuid String CODEC(ZSTD(1)),
    EventSourceArn String CODEC(ZSTD(1)),
    Minute DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    IteratorAgeMs Nullable(Float64) CODEC(ZSTD(1)),
    TimeToLossS Nullable(Float64) CODEC(ZSTD(1)),
    Cause String CODEC(ZSTD(1)),
    Confidence String CODEC(ZSTD(1)),
    Since DateTime('UTC') CODEC(ZSTD(1)),
    Evidence String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(Version)
PARTITION BY toDate(Minute, 'UTC')
ORDER BY (Block, AccountId, Region, FunctionName, Uuid, Minute)
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Each block that has anything to judge: how much has come, and of how much its causes were made, by which rules.
CREATE OR REPLACE VIEW lambda_cause_blocks AS
SELECT Kind, Block, max(Came) AS Arrivals, max(made.1) AS MadeOfArrivals, max(made.2) AS Rules
FROM
(
    SELECT Kind, Block, sum(Arrivals) AS Came, (toUInt64(0), toUInt64(0)) AS made
    FROM lambda_kept_cause_arrivals GROUP BY Kind, Block HAVING max(IsReached)
    UNION ALL
    SELECT 'throttles' AS Kind, Block, 0 AS Came, argMax((Arrivals, Rules), Version) AS made
    FROM lambda_kept_throttle_causes WHERE AccountId = '' AND Region = '' AND FunctionName = '' GROUP BY Block
    UNION ALL
    SELECT 'streams' AS Kind, Block, 0 AS Came, argMax((Arrivals, Rules), Version) AS made
    FROM lambda_kept_stream_causes WHERE AccountId = '' AND Region = '' AND FunctionName = '' GROUP BY Block
)
GROUP BY Kind, Block
HAVING Arrivals > 0;

-- A block was judged by itself. What began in the one before and goes on began when that did, as far back as the day before.
-- define causes_blocks
toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AS from_ms,
    toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) AS to_ms,
    toDateTime(greatest(0, intDiv(from_ms, 86400000) - 1) * 86400, 'UTC') AS first_block,
    toDateTime(least(4294967295, intDiv(to_ms, 1000)), 'UTC') AS last_block
-- end

-- Which version holds is asked of the rows that are read themselves, in one look: whoever asks while a block is made anew sees
-- all that was there before, or all that is there after.
-- define causes_newest
SELECT *, max(Version) OVER (PARTITION BY Block) AS newest
-- end

-- define causes_asked
WHERE toUnixTimestamp(Minute) * 1000 >= from_ms AND toUnixTimestamp(Minute) * 1000 < to_ms
-- end

-- define causes_goes_on
lagInFrame(Cause, 1, '') OVER before_it = Cause AND (lagInFrame(Block) OVER before_it != Block
                        OR lagInFrame(Since) OVER before_it = Since)
-- end

CREATE OR REPLACE VIEW lambda_throttle_causes_between AS
WITH
    ${causes_blocks}
SELECT * EXCEPT (Block, Version, Arrivals, Rules, newest, goes_on, stretch)
FROM
(
    SELECT * REPLACE (min(Since) OVER (PARTITION BY AccountId, Region, FunctionName, stretch) AS Since)
    FROM
    (
        SELECT *, countIf(NOT goes_on) OVER (
            PARTITION BY AccountId, Region, FunctionName ORDER BY Minute ROWS UNBOUNDED PRECEDING) AS stretch
        FROM
        (
            SELECT
                *,
                ${causes_goes_on}
                    AND toUnixTimestamp(Minute) - toUnixTimestamp(lagInFrame(Minute) OVER before_it) <= 660 AS goes_on
            FROM
            (
                ${causes_newest}
                FROM lambda_kept_throttle_causes
                WHERE Block >= first_block AND Block <= last_block
            )
            WHERE Version = newest AND FunctionName != ''
            WINDOW before_it AS (PARTITION BY AccountId, Region, FunctionName ORDER BY Minute
                ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
        )
    )
)
${causes_asked};

-- The same of all that is stored.
CREATE OR REPLACE VIEW lambda_throttle_causes AS
SELECT * FROM lambda_throttle_causes_between(from = '1970-01-01 00:00:00', to = '2106-01-01 00:00:00');

CREATE OR REPLACE VIEW lambda_stream_causes_between AS
WITH
    ${causes_blocks}
SELECT * EXCEPT (Block, Version, Arrivals, Rules, newest, goes_on, stretch)
FROM
(
    SELECT * REPLACE (min(Since) OVER (PARTITION BY AccountId, Region, FunctionName, Uuid, stretch) AS Since)
    FROM
    (
        SELECT *, countIf(NOT goes_on) OVER (
            PARTITION BY AccountId, Region, FunctionName, Uuid ORDER BY Minute ROWS UNBOUNDED PRECEDING) AS stretch
        FROM
        (
            SELECT
                *,
                ${causes_goes_on}
                    AND toUnixTimestamp(Minute) - toUnixTimestamp(lagInFrame(Minute) OVER before_it) <= 360 AS goes_on
            FROM
            (
                ${causes_newest}
                FROM lambda_kept_stream_causes
                WHERE Block >= first_block AND Block <= last_block
            )
            WHERE Version = newest AND FunctionName != ''
            WINDOW before_it AS (PARTITION BY AccountId, Region, FunctionName, Uuid ORDER BY Minute
                ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
        )
    )
)
${causes_asked};
