-- The causes of throttles and of lag, kept a day at a time: what lambda_inferred_throttle_causes and
-- lambda_inferred_stream_causes say of each day in UTC. The jobs make a day anew when anything came that it rests on.

-- How much came that the causes of a day rest on: points of its own minutes, of the day before and of the hour after, and
-- polls of the inventory. IsReached where there is a point of the day itself or of later: else it has no rows yet.
CREATE TABLE IF NOT EXISTS lambda_cause_arrivals
(
    Day Date CODEC(ZSTD(1)),
    Arrivals SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    IsReached SimpleAggregateFunction(max, UInt8) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY Day
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- define arrivals_of_points
SELECT toDate(day) AS Day, sum(points) AS Arrivals, max(hour >= day * 24) AS IsReached
FROM
(
    SELECT intDiv(toUnixTimestamp(Time), 3600) AS hour, count() AS points
    FROM lambda_metrics
    WHERE Namespace = 'AWS/Lambda' AND PeriodS = 60 AND MetricName IN ('Throttles', 'Invocations', 'Errors', 'Duration',
        'ConcurrentExecutions', 'UnreservedConcurrentExecutions', 'ClaimedAccountConcurrency', 'IteratorAge',
        'AsyncEventAge', 'AsyncEventsReceived', 'AsyncEventsDropped', 'CPUThrottles', 'MemoryThrottles', 'DiskThrottles',
        'ConcurrencyThrottles')
    GROUP BY hour
)
-- The views read a day (and the 20 minutes before what they judge) back and an hour ahead.
ARRAY JOIN range(toUInt16(intDiv(greatest(hour, 1) - 1, 24)), toUInt16(intDiv(hour + 25, 24) + 1)) AS day
GROUP BY day
-- end

CREATE MATERIALIZED VIEW IF NOT EXISTS lambda_cause_arrivals_mv TO lambda_cause_arrivals AS
${arrivals_of_points};

-- A poll tells of the time around it, and of the time until the next one.
-- define arrivals_of_polls
ARRAY JOIN range(toUInt16(intDiv(greatest(hour, 3) - 3, 24)), toUInt16(intDiv(hour + 25, 24) + 1)) AS day
GROUP BY day
-- end

CREATE MATERIALIZED VIEW IF NOT EXISTS lambda_cause_arrivals_functions_mv TO lambda_cause_arrivals AS
SELECT toDate(day) AS Day, sum(polls) AS Arrivals, 0 AS IsReached
FROM (SELECT intDiv(toUnixTimestamp(toDateTime(PolledAt)), 3600) AS hour, count() AS polls FROM lambda_functions GROUP BY hour)
${arrivals_of_polls};

CREATE MATERIALIZED VIEW IF NOT EXISTS lambda_cause_arrivals_limits_mv TO lambda_cause_arrivals AS
SELECT toDate(day) AS Day, sum(polls) AS Arrivals, 0 AS IsReached
FROM (SELECT intDiv(toUnixTimestamp(toDateTime(PolledAt)), 3600) AS hour, count() AS polls FROM lambda_account_limits GROUP BY hour)
${arrivals_of_polls};

CREATE MATERIALIZED VIEW IF NOT EXISTS lambda_cause_arrivals_mappings_mv TO lambda_cause_arrivals AS
SELECT toDate(day) AS Day, sum(polls) AS Arrivals, 0 AS IsReached
FROM (SELECT intDiv(toUnixTimestamp(toDateTime(PolledAt)), 3600) AS hour, count() AS polls FROM lambda_event_source_mappings GROUP BY hour)
${arrivals_of_polls};

CREATE MATERIALIZED VIEW IF NOT EXISTS lambda_cause_arrivals_sources_mv TO lambda_cause_arrivals AS
SELECT toDate(day) AS Day, sum(polls) AS Arrivals, 0 AS IsReached
FROM (SELECT intDiv(toUnixTimestamp(toDateTime(PolledAt)), 3600) AS hour, count() AS polls FROM lambda_event_sources GROUP BY hour)
${arrivals_of_polls};

-- Rows of lambda_inferred_throttle_causes. A day is written in one piece, with a row without a function that says what it was
-- made of: how much had come, and a hash of the rules and of what the inventory knew. Of a day, the rows of the highest
-- version count; those of others go when parts merge.
CREATE TABLE IF NOT EXISTS lambda_stored_throttle_causes
(
    Day Date CODEC(ZSTD(1)),
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
ORDER BY (Day, AccountId, Region, FunctionName, Minute)
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Rows of lambda_inferred_stream_causes, likewise.
CREATE TABLE IF NOT EXISTS lambda_stored_stream_causes
(
    Day Date CODEC(ZSTD(1)),
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
ORDER BY (Day, AccountId, Region, FunctionName, Uuid, Minute)
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Each day that has anything to judge: how much has come, and of how much its causes were made, by which rules.
CREATE OR REPLACE VIEW lambda_cause_days AS
SELECT
    Day, Came AS Arrivals,
    throttles.1 AS ThrottlesOfArrivals, throttles.2 AS ThrottleRules,
    streams.1 AS StreamsOfArrivals, streams.2 AS StreamRules
FROM
(
    SELECT Day, sum(Arrivals) AS Came FROM lambda_cause_arrivals GROUP BY Day HAVING max(IsReached)
) AS days
LEFT JOIN
(
    SELECT Day, argMax((Arrivals, Rules), Version) AS throttles
    FROM lambda_stored_throttle_causes WHERE AccountId = '' AND Region = '' AND FunctionName = '' GROUP BY Day
) AS t USING Day
LEFT JOIN
(
    SELECT Day, argMax((Arrivals, Rules), Version) AS streams
    FROM lambda_stored_stream_causes WHERE AccountId = '' AND Region = '' AND FunctionName = '' GROUP BY Day
) AS s USING Day;

-- A day was judged by itself. What began on the day before and goes on began when that did, as far back as a day.
-- define causes_days
toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AS from_ms,
    toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) AS to_ms,
    toDate(toUInt16(greatest(0, intDiv(from_ms, 86400000) - 1))) AS first_day,
    toDate(toUInt16(intDiv(to_ms, 86400000))) AS last_day
-- end

-- Which version holds is asked of the rows that are read themselves, in one look: whoever asks while a day is made anew sees
-- all that was there before, or all that is there after.
-- define causes_newest
SELECT *, max(Version) OVER (PARTITION BY Day) AS newest
-- end

-- define causes_asked
WHERE toUnixTimestamp(Minute) * 1000 >= from_ms AND toUnixTimestamp(Minute) * 1000 < to_ms
-- end

-- define causes_goes_on
lagInFrame(Cause, 1, '') OVER before_it = Cause AND (lagInFrame(Day) OVER before_it != Day
                        OR lagInFrame(Since) OVER before_it = Since)
-- end

CREATE OR REPLACE VIEW lambda_throttle_causes_between AS
WITH
    ${causes_days}
SELECT * EXCEPT (Day, Version, Arrivals, Rules, newest, goes_on, stretch)
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
                FROM lambda_stored_throttle_causes
                WHERE Day >= first_day AND Day <= last_day
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
    ${causes_days}
SELECT * EXCEPT (Day, Version, Arrivals, Rules, newest, goes_on, stretch)
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
                FROM lambda_stored_stream_causes
                WHERE Day >= first_day AND Day <= last_day
            )
            WHERE Version = newest AND FunctionName != ''
            WINDOW before_it AS (PARTITION BY AccountId, Region, FunctionName, Uuid ORDER BY Minute
                ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
        )
    )
)
${causes_asked};
