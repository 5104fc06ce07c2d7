-- One row per function, and one for all of them together (IsTotal = 1): what happened in the window,
-- and in the window of the same length before it. Parts are the invocations in 30 equal parts of the window.
SELECT
    AccountId, Region, FunctionName, IsTotal, Invocations, Failed, TimedOut, ColdStarts,
    took[1] AS P50Ms, took[2] AS P95Ms, took[3] AS P99Ms,
    MemoryShare, LastStart, parts.1 AS Parts, parts.2 AS Counts, FirstStart,
    PreviousInvocations, PreviousFailed, PreviousColdStarts,
    took_before[1] AS PreviousP50Ms, took_before[2] AS PreviousP95Ms, took_before[3] AS PreviousP99Ms
FROM
(
    SELECT
        AccountId, Region, Name AS FunctionName,
        grouping(Name) AS IsTotal,
        countIf(is_now) AS Invocations,
        countIf(is_now AND has_failed) AS Failed,
        countIf(is_now AND has_timed_out) AS TimedOut,
        countIf(is_now AND is_cold) AS ColdStarts,
        quantilesExactIf(0.5, 0.95, 0.99)(duration_ms, is_now AND is_known) AS took,
        nullIf(maxIf(memory_share, is_now), 0) AS MemoryShare,
        max(start) AS LastStart,
        min(start) AS FirstStart,
        sumMapIf([part], [toUInt64(1)], is_now) AS parts,
        countIf(NOT is_now) AS PreviousInvocations,
        countIf(NOT is_now AND has_failed) AS PreviousFailed,
        countIf(NOT is_now AND is_cold) AS PreviousColdStarts,
        quantilesExactIf(0.5, 0.95, 0.99)(duration_ms, NOT is_now AND is_known) AS took_before
    FROM
    (
        SELECT
            AccountId, Region, toString(FunctionName) AS Name,
            toDateTime64(Start, 3, 'UTC') AS start,
            Start >= {from:DateTime64(3, 'UTC')} AS is_now,
            ifNull(Status != 'success', 0) AS has_failed,
            ifNull(Status = 'timeout', 0) AS has_timed_out,
            ifNull(ColdStart, 0) != 0 AS is_cold,
            isNotNull(DurationMs) AS is_known,
            ifNull(DurationMs, 0) AS duration_ms,
            if(ifNull(MemorySizeMB, 0) = 0, 0, ifNull(MaxMemoryUsedMB, 0) / assumeNotNull(MemorySizeMB)) AS memory_share,
            toUInt8(least(29, greatest(0, intDiv(
                dateDiff('millisecond', {from:DateTime64(3, 'UTC')}, start) * 30, {span_s:UInt32} * 1000)))) AS part
        FROM lambda_invocations_between(
            from = {from:DateTime64(3, 'UTC')} - toIntervalSecond({span_s:UInt32}), to = {to:DateTime64(3, 'UTC')})
        WHERE (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
            AND ({account:String} = '' OR AccountId = {account:String})
            AND ({region:String} = '' OR Region = {region:String})
    )
    GROUP BY GROUPING SETS ((AccountId, Region, Name), ())
    HAVING Invocations > 0
)
ORDER BY Invocations DESC
