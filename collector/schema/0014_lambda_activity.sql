-- define measures
Invocations, Failed, TimedOut, Errors, ColdStarts, ProactiveInits, EndsEstimated,
        Durations, DurationNs, MaxDurationNs, DurationBins, Inits, InitNs, MaxInitNs, InitBins,
        PostRuntimes, PostRuntimeNs, BilledMs, BilledMBMs, InitMBUs, MaxMemoryUsedMB, MaxMemoryShare,
        FirstStart, LastStart, BusyMs
-- end

-- define merged_measures
sum(r.Invocations) AS Invocations, sum(r.Failed) AS Failed, sum(r.TimedOut) AS TimedOut, sumMap(r.Errors) AS Errors,
        sum(r.ColdStarts) AS ColdStarts, sum(r.ProactiveInits) AS ProactiveInits, sum(r.EndsEstimated) AS EndsEstimated,
        sum(r.Durations) AS Durations, sum(r.DurationNs) AS DurationNs, max(r.MaxDurationNs) AS MaxDurationNs,
        sumMap(r.DurationBins) AS DurationBins, sum(r.Inits) AS Inits, sum(r.InitNs) AS InitNs,
        max(r.MaxInitNs) AS MaxInitNs, sumMap(r.InitBins) AS InitBins, sum(r.PostRuntimes) AS PostRuntimes,
        sum(r.PostRuntimeNs) AS PostRuntimeNs, sum(r.BilledMs) AS BilledMs, sumMap(r.BilledMBMs) AS BilledMBMs,
        sumMap(r.InitMBUs) AS InitMBUs, max(r.MaxMemoryUsedMB) AS MaxMemoryUsedMB,
        max(r.MaxMemoryShare) AS MaxMemoryShare, minIf(r.FirstStart, r.Invocations > 0) AS FirstStart,
        max(r.LastStart) AS LastStart, sum(r.BusyMs) AS BusyMs
-- end

-- Below, bucket_s is asked for, from_ms and to_ms are a range and step_ms the length of its steps, as each view says in its WITH: a definition
-- stands in the text of several views, since a view within a view is analysed twice each time that somebody asks.

-- What the minutes of a range with any arrivals are read from: a rollup's period, its time and the version that holds, or
-- PeriodS = 0 for the invocations themselves. The longest period that lies within the range and within one bucket.
-- define cover
SELECT piece.1 AS PeriodS, piece.2 AS Time, piece.3 AS Version
FROM
(
    SELECT arrayJoin(if(
        bucket_s % 86400 = 0 AND sum(arrivals) = bitShiftRight(max(of_day), 32)
            AND toUnixTimestamp(Day) * 1000 >= from_ms AND toUnixTimestamp(Day) * 1000 + 86400000 <= to_ms,
        [(86400, toDateTime(Day, 'UTC'), max(of_day))], arrayFlatten(groupArray(pieces)))) AS piece
    FROM
    (
        SELECT
            toStartOfDay(Hour) AS Day,
            sum(minute_arrivals) AS arrivals,
            max(of_day) AS of_day,
            if(bucket_s % 3600 = 0 AND arrivals = bitShiftRight(max(of_hour), 32)
                    AND toUnixTimestamp(Hour) * 1000 >= from_ms AND toUnixTimestamp(Hour) * 1000 + 3600000 <= to_ms,
                [(3600, Hour, max(of_hour))],
                groupArrayIf((if(minute_holds, 60, 0), Minute, if(minute_holds, of_minute, 0)),
                    minute_arrivals > 0 AND toUnixTimestamp(Minute) * 1000 + 60000 > from_ms)) AS pieces
        FROM
        (
            SELECT
                Time AS Minute,
                toStartOfHour(Time) AS Hour,
                sumIf(Arrivals, PeriodS = 60) AS minute_arrivals,
                maxIf(Computed, PeriodS = 60) AS of_minute,
                maxIf(Computed, PeriodS = 3600) AS of_hour,
                maxIf(Computed, PeriodS = 86400) AS of_day,
                bucket_s % 60 = 0 AND minute_arrivals = bitShiftRight(of_minute, 32)
                    AND toUnixTimestamp(Time) * 1000 >= from_ms
                    AND toUnixTimestamp(Time) * 1000 + 60000 <= to_ms AS minute_holds
            FROM lambda_rollup_state
            WHERE Time >= toStartOfDay(toDateTime(intDiv(from_ms, 1000), 'UTC'))
                AND Time < toDateTime(intDiv(to_ms + 999, 1000), 'UTC')
            GROUP BY Time
        )
        GROUP BY Hour
    )
    GROUP BY Day
)
-- end

-- The same as two arrays: what is read of the rollups, and the minutes of the range that none holds for, in seconds since
-- the epoch. A scalar: it is worked out once, before anything is read, and what there is nothing of is not read at all.
-- define pieces
(
        SELECT (groupArrayIf((PeriodS, Time, Version), PeriodS > 0), groupArrayIf(toInt64(toUnixTimestamp(Time)), PeriodS = 0))
        FROM (${cover})
    ) AS pieces,
    pieces.1 AS held,
    pieces.2 AS open_minutes
-- end

-- Invocations that can be busy in the range, by their hours as in lambda_invocations_between. Where minutes are the finest,
-- those of hours around open ones alone.
-- define in_reach
Start >= fromUnixTimestamp64Milli(from_ms - 1200000) AND Start < fromUnixTimestamp64Milli(to_ms + 1200000)
            AND (from_ms < 1200000 OR to_ms >= 4291747200000 OR toStartOfHour(Start, 'UTC')
                BETWEEN toDateTime(intDiv(from_ms - 1200000, 3600000) * 3600, 'UTC')
                AND toDateTime(intDiv(to_ms + 1200000, 3600000) * 3600, 'UTC'))
-- end

-- define near
(step_ms < 60000 OR notEmpty(open_minutes))
            AND ${in_reach}
            AND (step_ms < 60000 OR toStartOfHour(Start, 'UTC') GLOBAL IN (
                SELECT toDateTime(arrayJoin(arrayDistinct(arrayFlatten(arrayMap(
                    open_s -> [intDiv(open_s - 1200, 3600), intDiv(open_s, 3600), intDiv(open_s + 1260, 3600)],
                    open_minutes)))) * 3600, 'UTC')))
-- end

-- Likewise those that began in the range, in minutes that are open.
-- define began
(step_ms < 60000 OR notEmpty(open_minutes))
            AND Start >= fromUnixTimestamp64Milli(from_ms) AND Start < fromUnixTimestamp64Milli(to_ms)
            AND (from_ms < 0 OR to_ms >= 4291747200000 OR toStartOfHour(Start, 'UTC')
                BETWEEN toDateTime(intDiv(from_ms, 3600000) * 3600, 'UTC') AND toDateTime(intDiv(to_ms, 3600000) * 3600, 'UTC'))
            AND (step_ms < 60000
                OR toStartOfMinute(Start, 'UTC') GLOBAL IN (SELECT toDateTime(arrayJoin(open_minutes), 'UTC')))
-- end

-- The functions' time limits, which what has not ended cannot outlast.
-- define limits
GLOBAL ANY LEFT JOIN
        (
            SELECT AccountId, Region, FunctionName, argMax(TimeoutS, PolledAt) AS TimeoutS
            FROM lambda_functions
            GROUP BY AccountId, Region, FunctionName
        ) AS limits USING (AccountId, Region, FunctionName)
-- end

-- An attempt is busy in [BusyStart, End), in whole milliseconds. One without an end is busy until now, and for as long as
-- the function's time limit, or 15 minutes where that is not known. None is longer than 20 minutes, with its init.
-- define busy
toUnixTimestamp64Milli(Start) AS start_ms,
            greatest(toUnixTimestamp64Milli(BusyStart), start_ms - 1200000, from_ms) AS busy_from,
            least(ifNull(least(toUnixTimestamp64Milli(End), start_ms + 1200000),
                least(toUnixTimestamp64Milli(now64(3)), start_ms + ifNull(limits.TimeoutS, 900) * 1000)), to_ms) AS busy_to
-- end

-- The steps that an attempt is busy in, or began in.
-- define steps
toInt64(arrayJoin(range(
            toUInt64(intDiv(busy_from, step_ms)),
            toUInt64(intDiv(greatest(busy_to, least(start_ms + 1, to_ms)) - 1, step_ms) + 1)))) AS step,
        greatest(busy_from, step * step_ms) AS piece_from,
        greatest(piece_from, least(busy_to, (step + 1) * step_ms)) AS piece_to
-- end

-- define is_in_range
greatest(busy_to, start_ms + 1) > from_ms AND busy_from < to_ms
-- end

-- Rows like the rollup's, from the invocations themselves. The row of a function's version '' has its peak alone.
-- define activity_of_invocations
SELECT
    AccountId, Region, grain.1 AS FunctionName, grain.2 AS FunctionVersion, step * step_ms AS TimeMs,
    countIf(counts) AS Invocations,
    countIf(counts AND has_failed) AS Failed,
    countIf(counts AND has_timed_out) AS TimedOut,
    sumMapIf(map(failure, toUInt64(1)), counts AND has_failed) AS Errors,
    countIf(counts AND is_cold) AS ColdStarts,
    countIf(counts AND is_proactive) AS ProactiveInits,
    countIf(counts AND EndEstimated) AS EndsEstimated,
    countIf(counts AND has_duration) AS Durations,
    sumIf(duration_ns, counts) AS DurationNs,
    maxIf(duration_ns, counts) AS MaxDurationNs,
    sumMapIf(map(duration_bin, toUInt64(1)), counts AND has_duration) AS DurationBins,
    countIf(counts AND has_waited) AS Inits,
    sumIf(init_ns, counts AND has_waited) AS InitNs,
    maxIf(init_ns, counts AND has_waited) AS MaxInitNs,
    sumMapIf(map(init_bin, toUInt64(1)), counts AND has_waited) AS InitBins,
    countIf(counts AND has_post_runtime) AS PostRuntimes,
    sumIf(post_runtime_ns, counts) AS PostRuntimeNs,
    sumIf(billed_ms, counts) AS BilledMs,
    sumMapIf(map(architecture, billed_ms * memory_mb), counts AND billed_ms > 0) AS BilledMBMs,
    sumMapIf(map(architecture, intDiv(init_ns, 1000) * memory_mb), counts AND has_waited) AS InitMBUs,
    maxIf(used_mb, counts) AS MaxMemoryUsedMB,
    maxIf(if(memory_mb = 0, 0, used_mb / memory_mb), counts) AS MaxMemoryShare,
    minIf(fromUnixTimestamp64Milli(start_ms, 'UTC'), counts) AS FirstStart,
    maxIf(fromUnixTimestamp64Milli(start_ms, 'UTC'), counts) AS LastStart,
    sumIf(toUInt64(piece_to - piece_from), NOT grain.3) AS BusyMs,
    toUInt64(maxIntersections(piece_from, piece_to)) AS Peak,
    grain.3 AS IsHelper
FROM
(
    SELECT
        * EXCEPT (name, version, busy_from, busy_to, init_given),
        if(duration_ns = 0, toInt16(-32768), toInt16(ceil(log(duration_ns / 1e6) / log(1.015)))) AS duration_bin,
        if(init_ns = 0, toInt16(-32768), toInt16(ceil(log(init_ns / 1e6) / log(1.015)))) AS init_bin,
        is_cold AND init_given AS has_waited,
        ${steps},
        -- Its version, the account and, for its peak alone, the function.
        arrayJoin([(name, version, false), (name, '', true), ('*', '', false)]) AS grain,
        start_ms >= step * step_ms AND start_ms < (step + 1) * step_ms AND start_ms >= from_ms AND start_ms < to_ms
            AND NOT grain.3 AS counts
    FROM
    (
        SELECT
            AccountId, Region, toString(FunctionName) AS name, toString(FunctionVersion) AS version, EndEstimated,
            ifNull(Status != 'success', 0) AS has_failed,
            ifNull(Status = 'timeout', 0) AS has_timed_out,
            assumeNotNull(coalesce(ErrorType, Status, '')) AS failure,
            ifNull(ColdStart, 0) != 0 AS is_cold,
            ifNull(ProactiveInit, 0) != 0 AS is_proactive,
            toUInt64(ifNull(round(DurationMs * 1e6), 0)) AS duration_ns,
            isNotNull(DurationMs) AS has_duration,
            toUInt64(ifNull(round(coalesce(RestoreDurationMs, InitDurationMs) * 1e6), 0)) AS init_ns,
            isNotNull(RestoreDurationMs) OR isNotNull(InitDurationMs) AS init_given,
            toUInt64(ifNull(round(PostRuntimeMs * 1e6), 0)) AS post_runtime_ns,
            isNotNull(PostRuntimeMs) AS has_post_runtime,
            toUInt64(ifNull(round(BilledDurationMs), 0)) AS billed_ms,
            toUInt64(ifNull(MemorySizeMB, 0)) AS memory_mb,
            ifNull(MaxMemoryUsedMB, 0) AS used_mb,
            assumeNotNull(coalesce(Architecture, '')) AS architecture,
            ${busy}
        FROM lambda_invocations
        ${limits}
        WHERE ${near}
    )
    WHERE ${is_in_range}
)
GROUP BY AccountId, Region, grain, step
-- end

-- The same of every minute, for the job: what it says it has made must be there.
-- define activity_of_all_invocations
SELECT
    AccountId, Region, grain.1 AS FunctionName, grain.2 AS FunctionVersion, step * step_ms AS TimeMs,
    countIf(counts) AS Invocations,
    countIf(counts AND has_failed) AS Failed,
    countIf(counts AND has_timed_out) AS TimedOut,
    sumMapIf(map(failure, toUInt64(1)), counts AND has_failed) AS Errors,
    countIf(counts AND is_cold) AS ColdStarts,
    countIf(counts AND is_proactive) AS ProactiveInits,
    countIf(counts AND EndEstimated) AS EndsEstimated,
    countIf(counts AND has_duration) AS Durations,
    sumIf(duration_ns, counts) AS DurationNs,
    maxIf(duration_ns, counts) AS MaxDurationNs,
    sumMapIf(map(duration_bin, toUInt64(1)), counts AND has_duration) AS DurationBins,
    countIf(counts AND has_waited) AS Inits,
    sumIf(init_ns, counts AND has_waited) AS InitNs,
    maxIf(init_ns, counts AND has_waited) AS MaxInitNs,
    sumMapIf(map(init_bin, toUInt64(1)), counts AND has_waited) AS InitBins,
    countIf(counts AND has_post_runtime) AS PostRuntimes,
    sumIf(post_runtime_ns, counts) AS PostRuntimeNs,
    sumIf(billed_ms, counts) AS BilledMs,
    sumMapIf(map(architecture, billed_ms * memory_mb), counts AND billed_ms > 0) AS BilledMBMs,
    sumMapIf(map(architecture, intDiv(init_ns, 1000) * memory_mb), counts AND has_waited) AS InitMBUs,
    maxIf(used_mb, counts) AS MaxMemoryUsedMB,
    maxIf(if(memory_mb = 0, 0, used_mb / memory_mb), counts) AS MaxMemoryShare,
    minIf(fromUnixTimestamp64Milli(start_ms, 'UTC'), counts) AS FirstStart,
    maxIf(fromUnixTimestamp64Milli(start_ms, 'UTC'), counts) AS LastStart,
    sumIf(toUInt64(piece_to - piece_from), NOT grain.3) AS BusyMs,
    toUInt64(maxIntersections(piece_from, piece_to)) AS Peak,
    grain.3 AS IsHelper
FROM
(
    SELECT
        * EXCEPT (name, version, busy_from, busy_to, init_given),
        if(duration_ns = 0, toInt16(-32768), toInt16(ceil(log(duration_ns / 1e6) / log(1.015)))) AS duration_bin,
        if(init_ns = 0, toInt16(-32768), toInt16(ceil(log(init_ns / 1e6) / log(1.015)))) AS init_bin,
        is_cold AND init_given AS has_waited,
        ${steps},
        -- Its version, the account and, for its peak alone, the function.
        arrayJoin([(name, version, false), (name, '', true), ('*', '', false)]) AS grain,
        start_ms >= step * step_ms AND start_ms < (step + 1) * step_ms AND start_ms >= from_ms AND start_ms < to_ms
            AND NOT grain.3 AS counts
    FROM
    (
        SELECT
            AccountId, Region, toString(FunctionName) AS name, toString(FunctionVersion) AS version, EndEstimated,
            ifNull(Status != 'success', 0) AS has_failed,
            ifNull(Status = 'timeout', 0) AS has_timed_out,
            assumeNotNull(coalesce(ErrorType, Status, '')) AS failure,
            ifNull(ColdStart, 0) != 0 AS is_cold,
            ifNull(ProactiveInit, 0) != 0 AS is_proactive,
            toUInt64(ifNull(round(DurationMs * 1e6), 0)) AS duration_ns,
            isNotNull(DurationMs) AS has_duration,
            toUInt64(ifNull(round(coalesce(RestoreDurationMs, InitDurationMs) * 1e6), 0)) AS init_ns,
            isNotNull(RestoreDurationMs) OR isNotNull(InitDurationMs) AS init_given,
            toUInt64(ifNull(round(PostRuntimeMs * 1e6), 0)) AS post_runtime_ns,
            isNotNull(PostRuntimeMs) AS has_post_runtime,
            toUInt64(ifNull(round(BilledDurationMs), 0)) AS billed_ms,
            toUInt64(ifNull(MemorySizeMB, 0)) AS memory_mb,
            ifNull(MaxMemoryUsedMB, 0) AS used_mb,
            assumeNotNull(coalesce(Architecture, '')) AS architecture,
            ${busy}
        FROM lambda_invocations
        ${limits}
        WHERE ${in_reach}
    )
    WHERE ${is_in_range}
)
GROUP BY AccountId, Region, grain, step
-- end

-- The same of what concurrency needs alone.
-- define concurrency_of_invocations
SELECT
    AccountId, Region, grain.1 AS FunctionName, grain.2 AS FunctionVersion, step * step_ms AS TimeMs,
    sumIf(toUInt64(piece_to - piece_from), NOT grain.3) AS BusyMs,
    toUInt64(maxIntersections(piece_from, piece_to)) AS Peak
FROM
(
    SELECT
        AccountId, Region,
        ${steps},
        arrayJoin([(name, version, false), (name, '', true), ('*', '', false)]) AS grain
    FROM
    (
        SELECT
            AccountId, Region, toString(FunctionName) AS name, toString(FunctionVersion) AS version,
            ${busy}
        FROM lambda_invocations
        ${limits}
        WHERE ${near}
    )
    WHERE ${is_in_range}
)
GROUP BY AccountId, Region, grain, step
-- end

-- Rows for lambda_rollups of the minutes in [from_ms, to_ms), and of the hours or days in it, from the minutes or hours
-- that hold. The job that inserts them puts the version in.
CREATE OR REPLACE VIEW lambda_rollup_minutes AS
WITH {from_ms:Int64} AS from_ms, {to_ms:Int64} AS to_ms, 60000 AS step_ms
SELECT
    toUInt32(60) AS PeriodS, toDateTime(intDiv(TimeMs, 1000), 'UTC') AS Time, AccountId, Region, FunctionName, FunctionVersion,
    toUInt64(0) AS Version, ${measures}, Peak, FunctionPeak
FROM
(
    SELECT *, maxIf(Peak, FunctionVersion = '') OVER (PARTITION BY AccountId, Region, FunctionName, TimeMs) AS FunctionPeak
    FROM (${activity_of_all_invocations})
)
WHERE NOT IsHelper;

CREATE OR REPLACE VIEW lambda_rollup_coarser AS
SELECT
    {period_s:UInt32} AS PeriodS, toDateTime(intDiv(toUnixTimestamp(r.Time), {period_s:UInt32}) * {period_s:UInt32}, 'UTC') AS Time,
    AccountId, Region, FunctionName, FunctionVersion, toUInt64(0) AS Version,
        ${merged_measures},
        max(r.Peak) AS Peak, max(r.FunctionPeak) AS FunctionPeak
FROM lambda_rollups AS r
WHERE (r.PeriodS, r.Time, r.Version) GLOBAL IN
    (
        SELECT PeriodS, Time, max(Computed)
        FROM lambda_rollup_state
        WHERE PeriodS = if({period_s:UInt32} = 3600, 60, 3600)
            AND Time >= toDateTime(intDiv({from_ms:Int64}, 1000), 'UTC')
            AND Time < toDateTime(intDiv({to_ms:Int64}, 1000), 'UTC')
        GROUP BY PeriodS, Time
    )
GROUP BY AccountId, Region, FunctionName, FunctionVersion, Time;

-- With bucket_s = 0 the whole range is one bucket, else buckets are whole ones, aligned to the epoch, that touch it.
-- define range
toInt64(bucket_s) * 1000 AS bucket_ms,
    toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AS asked_from_ms,
    toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) AS asked_to_ms,
    if(bucket_ms = 0, asked_from_ms, intDiv(asked_from_ms, greatest(bucket_ms, 1)) * bucket_ms) AS from_ms,
    if(bucket_ms = 0, asked_to_ms, intDiv(asked_to_ms + bucket_ms - 1, greatest(bucket_ms, 1)) * bucket_ms) AS to_ms,
    if(bucket_s % 60 = 0, 60000, bucket_ms) AS step_ms
-- end

-- define bucket
fromUnixTimestamp64Milli(if(bucket_ms = 0, from_ms, intDiv(r.TimeMs, greatest(bucket_ms, 1)) * bucket_ms), 'UTC')
-- end

-- define length_ms
if(bucket_ms = 0, to_ms - from_ms, bucket_ms)
-- end

-- define rollups_that_hold
FROM lambda_rollups
    WHERE (PeriodS, Time, Version) GLOBAL IN (SELECT one.1, one.2, one.3 FROM (SELECT arrayJoin(held) AS one))
-- end

-- define is_open
(step_ms < 60000 OR intDiv(TimeMs, 1000) GLOBAL IN (SELECT arrayJoin(open_minutes)))
-- end

-- define provisional
toUInt8(toUnixTimestamp64Milli(b.Bucket) + ${length_ms} > toUnixTimestamp64Milli(now64(3)) - 300000)
-- end

-- Rows of the rollups and, where none holds, of the invocations themselves, that together make up [from, to).
CREATE OR REPLACE VIEW lambda_activity AS
WITH
    {bucket_s:UInt32} AS bucket_s,
    ${range},
    ${pieces}
SELECT
    AccountId,
    Region,
    Bucket,
    FunctionName,
    FunctionVersion,
    ${measures},
    Peak,
    BusyMs / ${length_ms} AS Avg,
    ${provisional} AS Provisional
FROM
(
    SELECT
        AccountId, Region, FunctionName,
        arrayJoin(if(r.FunctionVersion = '', [''], [toString(r.FunctionVersion), ''])) AS FunctionVersion,
        ${bucket} AS Bucket,
        ${merged_measures},
        max(if(FunctionVersion = '', r.FunctionPeak, r.Peak)) AS Peak
    FROM
    (
        SELECT AccountId, Region, FunctionName, FunctionVersion, toInt64(toUnixTimestamp(Time)) * 1000 AS TimeMs,
            ${measures}, Peak, FunctionPeak
        ${rollups_that_hold}
        UNION ALL
        SELECT AccountId, Region, FunctionName, FunctionVersion, TimeMs,
            ${measures}, Peak, if(FunctionVersion = '', Peak, 0) AS FunctionPeak
        FROM (${activity_of_invocations})
        WHERE ${is_open}
    ) AS r
    GROUP BY AccountId, Region, FunctionName, FunctionVersion, Bucket
) AS b;

-- What a view asks of r, and the columns of rollups that it needs for that, are definitions where the views of 0018_lambda_held.sql
-- say the same.
-- define columns_of_concurrency
AccountId, Region, FunctionName, FunctionVersion, toInt64(toUnixTimestamp(Time)) * 1000 AS TimeMs,
            BusyMs, Peak, FunctionPeak
-- end

-- define concurrency
SELECT
    AccountId, Region, toDateTime(Bucket, 'UTC') AS Bucket, FunctionName, FunctionVersion, Peak,
    BusyMs / ${length_ms} AS Avg, ${provisional} AS Provisional
FROM
(
    SELECT
        AccountId, Region, FunctionName,
        arrayJoin(if(r.FunctionVersion = '', [''], [toString(r.FunctionVersion), ''])) AS FunctionVersion,
        ${bucket} AS Bucket,
        sum(r.BusyMs) AS BusyMs,
        max(if(FunctionVersion = '', r.FunctionPeak, r.Peak)) AS Peak
-- end

-- Exact concurrency: peak and average of the busy intervals per bucket, from the same rows.
CREATE OR REPLACE VIEW lambda_concurrency AS
WITH
    {bucket_s:UInt32} AS bucket_s,
    ${range},
    ${pieces}
${concurrency}
    FROM
    (
        SELECT ${columns_of_concurrency}
        ${rollups_that_hold}
        UNION ALL
        SELECT AccountId, Region, FunctionName, FunctionVersion, TimeMs, BusyMs, Peak, if(FunctionVersion = '', Peak, 0) AS FunctionPeak
        FROM (${concurrency_of_invocations})
        WHERE ${is_open}
    ) AS r
    GROUP BY AccountId, Region, FunctionName, FunctionVersion, Bucket
) AS b
WHERE Peak > 0;

-- define columns_of_peaks
AccountId, Region, FunctionName, toInt64(toUnixTimestamp(Time)) * 1000 AS TimeMs, BusyMs, FunctionPeak
-- end

-- define peaks
-- Greatest where the peak is, and of those in the first bucket.
    max(bitShiftLeft(r.FunctionPeak, 32) + toUInt64(4294967295 - toUnixTimestamp(${bucket}))) AS highest
SELECT
    AccountId, Region, FunctionName,
    bitShiftRight(highest, 32) AS Peak,
    toDateTime(4294967295 - bitAnd(highest, 4294967295), 'UTC') AS Bucket,
    sum(r.BusyMs) AS BusyMs
-- end

-- The highest of a function's peaks and the first bucket that has it: each function is one group, not one of each bucket.
CREATE OR REPLACE VIEW lambda_concurrency_peaks AS
WITH
    {bucket_s:UInt32} AS bucket_s,
    ${range},
    ${pieces},
    ${peaks}
FROM
(
    SELECT ${columns_of_peaks}
    ${rollups_that_hold}
    UNION ALL
    SELECT AccountId, Region, FunctionName, TimeMs, BusyMs, if(FunctionVersion = '', Peak, 0) AS FunctionPeak
    FROM (${concurrency_of_invocations})
    WHERE ${is_open}
) AS r
GROUP BY AccountId, Region, FunctionName
HAVING Peak > 0;

-- What the views below begin their rows with, and those of the invocations that they count.
-- define named
AccountId, Region, FunctionName,
    arrayJoin(if(r.FunctionVersion = '', [''], [toString(r.FunctionVersion), ''])) AS FunctionVersion,
    ${bucket} AS Bucket,
    sum(r.Invocations) AS Invocations
-- end

-- define of_grain
AccountId, Region,
        grain.1 AS FunctionName, grain.2 AS FunctionVersion,
        intDiv(toUnixTimestamp64Milli(Start), step_ms) * step_ms AS TimeMs,
        count() AS Invocations
-- end

-- define grains_that_began
arrayJoin([(toString(FunctionName), toString(FunctionVersion)), ('*', '')]) AS grain
        FROM lambda_invocations
        WHERE ${began}
-- end

-- define columns_of_counts
AccountId, Region, FunctionName, FunctionVersion, toInt64(toUnixTimestamp(Time)) * 1000 AS TimeMs,
        Invocations, Failed, TimedOut, ColdStarts, EndsEstimated, Durations, MaxDurationNs, DurationBins, BilledMBMs,
        MaxMemoryShare, FirstStart, LastStart
-- end

-- define counts
SELECT
    ${named},
    sum(r.Failed) AS Failed,
    sum(r.TimedOut) AS TimedOut,
    sum(r.ColdStarts) AS ColdStarts,
    sum(r.EndsEstimated) AS EndsEstimated,
    sum(r.Durations) AS Durations,
    max(r.MaxDurationNs) AS MaxDurationNs,
    sumMap(r.DurationBins) AS DurationBins,
    sumMap(r.BilledMBMs) AS BilledMBMs,
    max(r.MaxMemoryShare) AS MaxMemoryShare,
    min(r.FirstStart) AS FirstStart,
    max(r.LastStart) AS LastStart
-- end

-- What most questions ask of lambda_activity, in half its time: nothing of inits or concurrency.
CREATE OR REPLACE VIEW lambda_counts AS
WITH
    {bucket_s:UInt32} AS bucket_s,
    ${range},
    ${pieces}
${counts}
FROM
(
    SELECT ${columns_of_counts}
    ${rollups_that_hold}
    AND Invocations > 0
    UNION ALL
    SELECT
        ${of_grain},
        countIf(ifNull(Status != 'success', 0)) AS Failed,
        countIf(ifNull(Status = 'timeout', 0)) AS TimedOut,
        countIf(ifNull(ColdStart, 0) != 0) AS ColdStarts,
        countIf(EndEstimated) AS EndsEstimated,
        countIf(isNotNull(DurationMs)) AS Durations,
        max(toUInt64(ns)) AS MaxDurationNs,
        sumMapIf(map(bin, toUInt64(1)), isNotNull(DurationMs)) AS DurationBins,
        sumMapIf(map(assumeNotNull(coalesce(Architecture, '')), billed_mb_ms), billed_mb_ms > 0) AS BilledMBMs,
        max(if(ifNull(MemorySizeMB, 0) = 0, 0, ifNull(MaxMemoryUsedMB, 0) / assumeNotNull(MemorySizeMB))) AS MaxMemoryShare,
        min(toDateTime64(Start, 3, 'UTC')) AS FirstStart,
        max(toDateTime64(Start, 3, 'UTC')) AS LastStart
    FROM
    (
        SELECT
            AccountId, Region, Start, Status, ColdStart, EndEstimated, DurationMs, MaxMemoryUsedMB, MemorySizeMB, Architecture,
            toUInt64(ifNull(round(BilledDurationMs), 0)) * toUInt64(ifNull(MemorySizeMB, 0)) AS billed_mb_ms,
            ifNull(round(DurationMs * 1e6), 0) AS ns,
            if(ns = 0, toInt16(-32768), toInt16(ceil(log(ns / 1e6) / log(1.015)))) AS bin,
            ${grains_that_began}
    )
    GROUP BY AccountId, Region, grain, TimeMs
) AS r
GROUP BY AccountId, Region, FunctionName, FunctionVersion, Bucket;

-- define columns_of_inits
AccountId, Region, FunctionName, FunctionVersion, toInt64(toUnixTimestamp(Time)) * 1000 AS TimeMs,
        Invocations, ColdStarts, ProactiveInits, Inits, InitNs, InitBins, FirstStart, LastStart
-- end

-- define inits
SELECT
    ${named},
    sum(r.ColdStarts) AS ColdStarts,
    sum(r.ProactiveInits) AS ProactiveInits,
    sum(r.Inits) AS Inits,
    sum(r.InitNs) AS InitNs,
    sumMap(r.InitBins) AS InitBins,
    min(r.FirstStart) AS FirstStart,
    max(r.LastStart) AS LastStart
-- end

-- What of lambda_activity inits are about, in half its time.
CREATE OR REPLACE VIEW lambda_inits AS
WITH
    {bucket_s:UInt32} AS bucket_s,
    ${range},
    ${pieces}
${inits}
FROM
(
    SELECT ${columns_of_inits}
    ${rollups_that_hold}
    AND Invocations > 0
    UNION ALL
    SELECT
        ${of_grain},
        countIf(is_cold) AS ColdStarts,
        countIf(ifNull(ProactiveInit, 0) != 0) AS ProactiveInits,
        countIf(has_waited) AS Inits,
        sumIf(init_ns, has_waited) AS InitNs,
        sumMapIf(map(init_bin, toUInt64(1)), has_waited) AS InitBins,
        min(toDateTime64(Start, 3, 'UTC')) AS FirstStart,
        max(toDateTime64(Start, 3, 'UTC')) AS LastStart
    FROM
    (
        SELECT
            AccountId, Region, Start, ProactiveInit,
            ifNull(ColdStart, 0) != 0 AS is_cold,
            coalesce(RestoreDurationMs, InitDurationMs) AS init_ms,
            is_cold AND isNotNull(init_ms) AS has_waited,
            toUInt64(ifNull(round(init_ms * 1e6), 0)) AS init_ns,
            if(init_ns = 0, toInt16(-32768), toInt16(ceil(log(init_ns / 1e6) / log(1.015)))) AS init_bin,
            ${grains_that_began}
    )
    GROUP BY AccountId, Region, grain, TimeMs
) AS r
GROUP BY AccountId, Region, FunctionName, FunctionVersion, Bucket;

-- What of lambda_activity money is about, in half its time.
-- define billed
SELECT
    ${named},
    sum(r.PostRuntimeNs) AS PostRuntimeNs,
    sum(r.BilledMs) AS BilledMs,
    sumMap(r.BilledMBMs) AS BilledMBMs,
    sumMap(r.InitMBUs) AS InitMBUs,
    max(r.MaxMemoryUsedMB) AS MaxMemoryUsedMB
FROM
(
    SELECT AccountId, Region, FunctionName, FunctionVersion, toInt64(toUnixTimestamp(Time)) * 1000 AS TimeMs,
        Invocations, PostRuntimeNs, BilledMs, BilledMBMs, InitMBUs, MaxMemoryUsedMB
    ${rollups_that_hold}
    AND Invocations > 0
    UNION ALL
    SELECT
        ${of_grain},
        sum(post_runtime_ns) AS PostRuntimeNs,
        sum(billed_ms) AS BilledMs,
        sumMapIf(map(architecture, billed_ms * memory_mb), billed_ms > 0) AS BilledMBMs,
        sumMapIf(map(architecture, intDiv(init_ns, 1000) * memory_mb), has_waited) AS InitMBUs,
        max(used_mb) AS MaxMemoryUsedMB
    FROM
    (
        SELECT
            AccountId, Region, Start,
            toUInt64(ifNull(round(PostRuntimeMs * 1e6), 0)) AS post_runtime_ns,
            toUInt64(ifNull(round(BilledDurationMs), 0)) AS billed_ms,
            toUInt64(ifNull(MemorySizeMB, 0)) AS memory_mb,
            ifNull(MaxMemoryUsedMB, 0) AS used_mb,
            assumeNotNull(coalesce(Architecture, '')) AS architecture,
            ifNull(coalesce(RestoreDurationMs, InitDurationMs), -1) AS init_ms,
            toUInt64(round(greatest(0, init_ms) * 1e6)) AS init_ns,
            ifNull(ColdStart, 0) != 0 AND init_ms >= 0 AS has_waited,
            ${grains_that_began}
    )
    GROUP BY AccountId, Region, grain, TimeMs
) AS r
GROUP BY AccountId, Region, FunctionName, FunctionVersion, Bucket
-- end

CREATE OR REPLACE VIEW lambda_billed AS
WITH
    {bucket_s:UInt32} AS bucket_s,
    ${range},
    ${pieces}
${billed};
