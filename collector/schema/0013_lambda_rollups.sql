-- Which minutes have a rollup that still holds. Every insert adds 1 to the arrivals of each minute that it may change;
-- a rollup knows how many there were when it was made, in the upper half of its version. So a rollup holds while both
-- are equal, whatever the clocks say and however late data comes. Hours and days are made of minutes: theirs are the
-- sum of the arrivals of their minutes.
CREATE TABLE IF NOT EXISTS lambda_rollup_state
(
    PeriodS UInt32 CODEC(ZSTD(1)),
    Time DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    Arrivals SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    Computed SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Time, 'UTC')
ORDER BY (Time, PeriodS)
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- An attempt counts where it was busy. One that had no end when a rollup was made counted until its time limit, so what
-- tells its end changes those minutes too: known only to be so of none that took less than a second. A row whose start
-- is not known yet can change what began up to a quarter of an hour before its span.
-- define minutes_of_parts
WITH
    bitTest(Seen, 1) OR isNotNull(ReportedNs) AS ended,
    coalesce(ReportedNs, MeasuredNs) AS busy_ns,
    if(Start = toDateTime64(0, 9), toInt64(SpanTime) - 900, toInt64(toUnixTimestamp(BusyStart))) AS first_s,
    if(Start = toDateTime64(0, 9), toInt64(SpanTime), if(ended AND busy_ns < 1000000000,
        toInt64(toUnixTimestamp(Start + toIntervalNanosecond(busy_ns))), toInt64(toUnixTimestamp(Start)) + 900)) AS last_s,
    Start - toIntervalNanosecond(least(LeadNs, 1200000000000)) AS BusyStart
SELECT
    60 AS PeriodS,
    toDateTime(arrayJoin(range(toUInt64(intDiv(first_s, 60)), toUInt64(intDiv(last_s, 60)) + 1)) * 60, 'UTC') AS Time,
    1 AS Arrivals
FROM lambda_invocation_parts
GROUP BY Time
-- end

CREATE MATERIALIZED VIEW IF NOT EXISTS lambda_rollup_state_mv TO lambda_rollup_state AS
${minutes_of_parts};

-- What happened in each minute, hour and day (PeriodS is 60, 3600 or 86400), per function and version; FunctionName '*'
-- is the account and region. Counts are of what began in it, BusyMs and the peaks of what was busy in it. FunctionPeak
-- is that of all versions of the function together. A distribution is the number of values in bins, each 1.5 % wide: bin
-- b has those in (1.015^(b-1), 1.015^b] ms, the bin -32768 those of 0. A row holds where lambda_rollup_state names its
-- Version: read lambda_activity, which sees to it.
CREATE TABLE IF NOT EXISTS lambda_rollups
(
    PeriodS UInt32 CODEC(ZSTD(1)),
    Time DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    AccountId LowCardinality(String) CODEC(ZSTD(1)),
    Region LowCardinality(String) CODEC(ZSTD(1)),
    FunctionName LowCardinality(String) CODEC(ZSTD(1)),
    FunctionVersion LowCardinality(String) CODEC(ZSTD(1)),
    Version UInt64 CODEC(ZSTD(1)),
    Invocations UInt64 CODEC(T64, ZSTD(1)),
    Failed UInt64 CODEC(T64, ZSTD(1)),
    TimedOut UInt64 CODEC(T64, ZSTD(1)),
    Errors Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)),
    ColdStarts UInt64 CODEC(T64, ZSTD(1)),
    ProactiveInits UInt64 CODEC(T64, ZSTD(1)),
    EndsEstimated UInt64 CODEC(T64, ZSTD(1)),
    Durations UInt64 CODEC(T64, ZSTD(1)),
    DurationNs UInt64 CODEC(T64, ZSTD(1)),
    MaxDurationNs UInt64 CODEC(T64, ZSTD(1)),
    DurationBins Map(Int16, UInt64) CODEC(ZSTD(1)),
    Inits UInt64 CODEC(T64, ZSTD(1)),
    InitNs UInt64 CODEC(T64, ZSTD(1)),
    MaxInitNs UInt64 CODEC(T64, ZSTD(1)),
    InitBins Map(Int16, UInt64) CODEC(ZSTD(1)),
    PostRuntimes UInt64 CODEC(T64, ZSTD(1)),
    PostRuntimeNs UInt64 CODEC(T64, ZSTD(1)),
    BilledMs UInt64 CODEC(T64, ZSTD(1)),
    BilledMBMs Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)),
    InitMBUs Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)),
    MaxMemoryUsedMB UInt32 CODEC(T64, ZSTD(1)),
    MaxMemoryShare Float64 CODEC(ZSTD(1)),
    FirstStart DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    LastStart DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    BusyMs UInt64 CODEC(T64, ZSTD(1)),
    Peak UInt64 CODEC(T64, ZSTD(1)),
    FunctionPeak UInt64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(Version)
PARTITION BY (PeriodS, if(PeriodS = 60, toDate(Time, 'UTC'), toStartOfYear(Time, 'UTC')))
ORDER BY (PeriodS, Time, AccountId, Region, FunctionName, FunctionVersion)
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;
