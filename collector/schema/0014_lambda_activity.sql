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

-- What the minutes of [from_ms, to_ms) with any arrivals are read from: a rollup's period, its time and the version that
-- holds, or PeriodS = 0 for the invocations themselves. The longest period that lies within the range and within one
-- bucket.
CREATE OR REPLACE VIEW lambda_rollup_cover AS
SELECT DISTINCT
    multiIf(day_holds, 86400, hour_holds, 3600, minute_holds, 60, 0) AS PeriodS,
    multiIf(day_holds, toDateTime(Day, 'UTC'), hour_holds, Hour, Minute) AS Time,
    multiIf(day_holds, day_version, hour_holds, hour_version, minute_holds, minute_version, 0) AS Version
FROM
(
    SELECT
        Minute,
        toStartOfHour(Minute) AS Hour,
        toStartOfDay(Minute) AS Day,
        minute_version,
        max(of_hour) OVER (PARTITION BY Hour) AS hour_version,
        max(of_day) OVER (PARTITION BY Day) AS day_version,
        arrivals > 0 AS is_minute,
        {bucket_s:UInt32} % 60 = 0 AND arrivals = bitShiftRight(minute_version, 32)
            AND toUnixTimestamp(Minute) * 1000 >= {from_ms:Int64}
            AND toUnixTimestamp(Minute) * 1000 + 60000 <= {to_ms:Int64} AS minute_holds,
        {bucket_s:UInt32} % 3600 = 0 AND sum(arrivals) OVER (PARTITION BY Hour) = bitShiftRight(hour_version, 32)
            AND toUnixTimestamp(Hour) * 1000 >= {from_ms:Int64}
            AND toUnixTimestamp(Hour) * 1000 + 3600000 <= {to_ms:Int64} AS hour_holds,
        {bucket_s:UInt32} % 86400 = 0 AND sum(arrivals) OVER (PARTITION BY Day) = bitShiftRight(day_version, 32)
            AND toUnixTimestamp(Day) * 1000 >= {from_ms:Int64}
            AND toUnixTimestamp(Day) * 1000 + 86400000 <= {to_ms:Int64} AS day_holds
    FROM
    (
        SELECT
            Time AS Minute,
            sumIf(Arrivals, PeriodS = 60) AS arrivals,
            maxIf(Computed, PeriodS = 60) AS minute_version,
            maxIf(Computed, PeriodS = 3600) AS of_hour,
            maxIf(Computed, PeriodS = 86400) AS of_day
        FROM lambda_rollup_state
        WHERE Time >= toStartOfDay(toDateTime(intDiv({from_ms:Int64}, 1000), 'UTC'))
            AND Time < toDateTime(intDiv({to_ms:Int64} + 999, 1000), 'UTC')
        GROUP BY Time
    )
)
WHERE is_minute AND toUnixTimestamp(Minute) * 1000 + 60000 > {from_ms:Int64};

-- The rollup's rows of [from_ms, to_ms) in steps of any length, from the invocations themselves: what the rollups are
-- made with, and what is read where there are none. With `stale` it reads only hours around minutes whose rollup does
-- not hold, or of which the range has a part.
--
-- An attempt is busy in [BusyStart, End), in whole milliseconds. One without an end is busy until now, and for as long
-- as the function's time limit, or 15 minutes where that is not known. None is longer than 20 minutes, with its init.
-- What is used more than once is a column of its own query: ClickHouse plans an alias anew wherever it stands.
CREATE OR REPLACE VIEW lambda_activity_raw AS
WITH
    timed AS
    (
        SELECT
            AccountId, Region, toString(FunctionName) AS name, toString(FunctionVersion) AS version, Status, ErrorType,
            ColdStart, ProactiveInit, EndEstimated, DurationMs, coalesce(RestoreDurationMs, InitDurationMs) AS init_ms,
            PostRuntimeMs, BilledDurationMs, MemorySizeMB, MaxMemoryUsedMB, Architecture,
            toUnixTimestamp64Milli(Start) AS start_ms,
            toUnixTimestamp64Milli(BusyStart) AS busy_start_ms,
            coalesce(toUnixTimestamp64Milli(End), toUnixTimestamp64Milli(now64(3))) AS end_ms,
            coalesce(limits.TimeoutS, 900) * 1000 AS limit_ms,
            isNull(End) AS is_running
        FROM lambda_invocations
        GLOBAL ANY LEFT JOIN
        (
            SELECT AccountId, Region, FunctionName, argMax(TimeoutS, PolledAt) AS TimeoutS
            FROM lambda_functions
            GROUP BY AccountId, Region, FunctionName
        ) AS limits USING (AccountId, Region, FunctionName)
        WHERE Start >= fromUnixTimestamp64Milli({from_ms:Int64} - 1200000)
            AND Start < fromUnixTimestamp64Milli({to_ms:Int64} + 1200000)
            AND (NOT {stale:UInt8} OR toStartOfHour(Start, 'UTC') GLOBAL IN (
                SELECT arrayJoin([toStartOfHour(Time - 1200), toStartOfHour(Time), toStartOfHour(Time + 1260)])
                FROM lambda_rollup_cover(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, bucket_s = 60)
                WHERE PeriodS = 0))
    ),
    busy AS
    (
        SELECT
            *,
            greatest(busy_start_ms, start_ms - 1200000, {from_ms:Int64}) AS busy_from,
            least(end_ms, start_ms + if(is_running, limit_ms, 1200000), {to_ms:Int64}) AS busy_to
        FROM timed
    ),
    pieces AS
    (
        SELECT
            AccountId, Region, Status, ErrorType, ColdStart, ProactiveInit, EndEstimated,
            if(start_ms >= {from_ms:Int64} AND start_ms < {to_ms:Int64}, intDiv(start_ms, {step_ms:Int64}), -1) AS start_step,
            start_ms, busy_from, busy_to, DurationMs, init_ms, PostRuntimeMs, BilledDurationMs, MemorySizeMB,
            MaxMemoryUsedMB, Architecture, name, version,
            toInt64(arrayJoin(range(
                toUInt64(intDiv(busy_from, {step_ms:Int64})),
                toUInt64(intDiv(greatest(busy_to, least(start_ms + 1, {to_ms:Int64})) - 1, {step_ms:Int64}) + 1)))) AS step
        FROM busy
        WHERE greatest(busy_to, start_ms + 1) > {from_ms:Int64} AND busy_from < {to_ms:Int64}
    ),
    counted AS
    (
        SELECT
            AccountId, Region, step, Status, ErrorType, ColdStart, ProactiveInit, EndEstimated, start_ms,
            step = start_step AS began,
            greatest(busy_from, step * {step_ms:Int64}) AS piece_from,
            least(busy_to, (step + 1) * {step_ms:Int64}) AS piece_to,
            toUInt64(ifNull(round(DurationMs * 1e6), 0)) AS duration_ns,
            isNotNull(DurationMs) AS has_duration,
            toUInt64(ifNull(round(init_ms * 1e6), 0)) AS init_ns,
            ifNull(ColdStart AND isNotNull(init_ms), 0) AS waited,
            toUInt64(ifNull(round(PostRuntimeMs * 1e6), 0)) AS post_runtime_ns,
            isNotNull(PostRuntimeMs) AS has_post_runtime,
            toUInt64(ifNull(round(BilledDurationMs), 0)) AS billed_ms,
            toUInt64(ifNull(MemorySizeMB, 0)) AS memory_mb,
            ifNull(MaxMemoryUsedMB, 0) AS used_mb,
            assumeNotNull(coalesce(Architecture, '')) AS architecture,
            -- Its version, the account and, for its peak alone, the function.
            arrayJoin([(name, version, 0), (name, '', 1), ('*', '', 0)]) AS grain
        FROM pieces
    ),
    grained AS
    (
        SELECT
            *,
            grain.1 AS FunctionName,
            grain.2 AS FunctionVersion,
            grain.3 AS IsHelper,
            began AND NOT grain.3 AS counts,
            greatest(piece_from, piece_to) AS piece_end,
            ifNull(Status != 'success', 0) AS has_failed,
            if(duration_ns = 0, toInt16(-32768), toInt16(ceil(log(duration_ns / 1e6) / log(1.015)))) AS duration_bin,
            if(init_ns = 0, toInt16(-32768), toInt16(ceil(log(init_ns / 1e6) / log(1.015)))) AS init_bin,
            assumeNotNull(coalesce(ErrorType, Status, '')) AS failure
        FROM counted
    ),
    rows AS
    (
        SELECT
            AccountId, Region, FunctionName, FunctionVersion, step, IsHelper,
            countIf(counts) AS Invocations,
            countIf(counts AND has_failed) AS Failed,
            countIf(counts AND Status = 'timeout') AS TimedOut,
            sumMapIf(map(failure, toUInt64(1)), counts AND has_failed) AS Errors,
            countIf(counts AND ColdStart) AS ColdStarts,
            countIf(counts AND ProactiveInit) AS ProactiveInits,
            countIf(counts AND EndEstimated) AS EndsEstimated,
            countIf(counts AND has_duration) AS Durations,
            sumIf(duration_ns, counts) AS DurationNs,
            maxIf(duration_ns, counts) AS MaxDurationNs,
            sumMapIf(map(duration_bin, toUInt64(1)), counts AND has_duration) AS DurationBins,
            countIf(counts AND waited) AS Inits,
            sumIf(init_ns, counts AND waited) AS InitNs,
            maxIf(init_ns, counts AND waited) AS MaxInitNs,
            sumMapIf(map(init_bin, toUInt64(1)), counts AND waited) AS InitBins,
            countIf(counts AND has_post_runtime) AS PostRuntimes,
            sumIf(post_runtime_ns, counts) AS PostRuntimeNs,
            sumIf(billed_ms, counts) AS BilledMs,
            sumMapIf(map(architecture, billed_ms * memory_mb), counts AND billed_ms > 0) AS BilledMBMs,
            sumMapIf(map(architecture, intDiv(init_ns, 1000) * memory_mb), counts AND waited) AS InitMBUs,
            maxIf(used_mb, counts) AS MaxMemoryUsedMB,
            maxIf(if(memory_mb = 0, 0, used_mb / memory_mb), counts) AS MaxMemoryShare,
            minIf(fromUnixTimestamp64Milli(start_ms, 'UTC'), counts) AS FirstStart,
            maxIf(fromUnixTimestamp64Milli(start_ms, 'UTC'), counts) AS LastStart,
            sumIf(toUInt64(piece_end - piece_from), NOT IsHelper) AS BusyMs,
            toUInt64(maxIntersections(piece_from, piece_end)) AS Peak
        FROM grained
        GROUP BY AccountId, Region, FunctionName, FunctionVersion, step, IsHelper
    )
SELECT
    AccountId, Region, FunctionName, FunctionVersion,
    step * {step_ms:Int64} AS StepMs,
    ${measures},
    Peak,
    maxIf(Peak, IsHelper OR FunctionName = '*') OVER (PARTITION BY AccountId, Region, FunctionName, step) AS FunctionPeak,
    IsHelper
FROM rows;

-- Rows for lambda_rollups of the minutes in [from_ms, to_ms), and of the hours or days in it, from the minutes or hours
-- that hold. The job that inserts them puts the version in.
CREATE OR REPLACE VIEW lambda_rollup_minutes AS
SELECT
    toUInt32(60) AS PeriodS, toDateTime(intDiv(StepMs, 1000), 'UTC') AS Time, AccountId, Region, FunctionName, FunctionVersion,
    toUInt64(0) AS Version, ${measures}, Peak, FunctionPeak
FROM lambda_activity_raw(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, step_ms = 60000, stale = 0)
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

-- Rows of the rollups and, where none holds, of the invocations themselves, that together make up [from, to). With
-- bucket_s = 0 the whole range is one bucket, else buckets are whole ones, aligned to the epoch, that touch it.
-- Coarse rollups are read where they lie within one bucket and within the range.
-- define range
toInt64({bucket_s:UInt32}) * 1000 AS bucket_ms,
    toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AS asked_from_ms,
    toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) AS asked_to_ms,
    if(bucket_ms = 0, asked_from_ms, intDiv(asked_from_ms, greatest(bucket_ms, 1)) * bucket_ms) AS from_ms,
    if(bucket_ms = 0, asked_to_ms, intDiv(asked_to_ms + bucket_ms - 1, greatest(bucket_ms, 1)) * bucket_ms) AS to_ms
-- end

-- define from_ms
(if({bucket_s:UInt32} = 0, toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}),
    intDiv(toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}), greatest(toInt64({bucket_s:UInt32}), 1) * 1000)
        * toInt64({bucket_s:UInt32}) * 1000))
-- end

-- define to_ms
(if({bucket_s:UInt32} = 0, toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}),
    intDiv(toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) + toInt64({bucket_s:UInt32}) * 1000 - 1,
        greatest(toInt64({bucket_s:UInt32}), 1) * 1000) * toInt64({bucket_s:UInt32}) * 1000))
-- end

CREATE OR REPLACE VIEW lambda_activity AS
WITH
    ${range},
    cover AS
    (
        SELECT PeriodS, Time, Version
        FROM lambda_rollup_cover(from_ms = ${from_ms}, to_ms = ${to_ms}, bucket_s = {bucket_s:UInt32})
    ),
    rows AS
    (
        SELECT AccountId, Region, FunctionName, FunctionVersion, toInt64(toUnixTimestamp(Time)) * 1000 AS TimeMs,
            ${measures}, Peak, FunctionPeak
        FROM lambda_rollups
        WHERE (PeriodS, Time, Version) GLOBAL IN (cover)
        UNION ALL
        SELECT AccountId, Region, FunctionName, FunctionVersion, toInt64(StepMs) AS TimeMs,
            ${measures}, Peak, FunctionPeak
        FROM lambda_activity_raw(
            from_ms = ${from_ms}, to_ms = ${to_ms},
            step_ms = if({bucket_s:UInt32} % 60 = 0, 60000, toInt64({bucket_s:UInt32}) * 1000),
            stale = toUInt8({bucket_s:UInt32} % 60 = 0))
        WHERE NOT IsHelper
            AND ({bucket_s:UInt32} % 60 != 0 OR (0, toDateTime(intDiv(StepMs, 1000), 'UTC'), 0) GLOBAL IN (cover))
    )
SELECT
    AccountId,
    Region,
    Bucket,
    FunctionName,
    FunctionVersion,
    ${measures},
    Peak,
    BusyMs / if(bucket_ms = 0, to_ms - from_ms, bucket_ms) AS Avg,
    toUInt8(toUnixTimestamp64Milli(Bucket) + if(bucket_ms = 0, to_ms - from_ms, bucket_ms)
        > toUnixTimestamp64Milli(now64(3)) - 300000) AS Provisional
FROM
(
    SELECT
        AccountId, Region, FunctionName,
        arrayJoin(if(r.FunctionVersion = '', [''], [toString(r.FunctionVersion), ''])) AS FunctionVersion,
        fromUnixTimestamp64Milli(
            if(bucket_ms = 0, from_ms, intDiv(r.TimeMs, greatest(bucket_ms, 1)) * bucket_ms), 'UTC')
            AS Bucket,
        ${merged_measures},
        max(if(FunctionVersion = '', r.FunctionPeak, r.Peak)) AS Peak
    FROM rows AS r
    GROUP BY AccountId, Region, FunctionName, FunctionVersion, Bucket
);

-- Exact concurrency: peak and average of the busy intervals per bucket, from the same rows.
CREATE OR REPLACE VIEW lambda_concurrency AS
SELECT AccountId, Region, toDateTime(Bucket, 'UTC') AS Bucket, FunctionName, FunctionVersion, Peak, Avg, Provisional
FROM lambda_activity(
    from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = {bucket_s:UInt32})
WHERE Peak > 0;
