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
        AccountId, Region, toString(Named) AS FunctionName,
        grouping(Named) AS IsTotal,
        sumIf(n, is_now) AS Invocations,
        sumIf(failed, is_now) AS Failed,
        sumIf(timed_out, is_now) AS TimedOut,
        sumIf(cold, is_now) AS ColdStarts,
        quantilesExactMergeIf(0.5, 0.95, 0.99)(durations, is_now) AS took,
        nullIf(maxIf(memory_share, is_now), 0) AS MemoryShare,
        max(last_start) AS LastStart,
        min(first_start) AS FirstStart,
        sumMapIf([part], [n], is_now) AS parts,
        sumIf(n, NOT is_now) AS PreviousInvocations,
        sumIf(failed, NOT is_now) AS PreviousFailed,
        sumIf(cold, NOT is_now) AS PreviousColdStarts,
        quantilesExactMergeIf(0.5, 0.95, 0.99)(durations, NOT is_now) AS took_before
    FROM
    (
        -- Of each function's parts first: the functions, and all of them together, are put together from those.
        SELECT
            AccountId, Region, FunctionName AS Named,
            Start >= {from:DateTime64(3, 'UTC')} AS is_now,
            toUInt8(least(29, greatest(0, intDiv(
                (toUnixTimestamp64Milli(Start) - toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')})) * 30, {span_s:UInt32} * 1000)))) AS part,
            count() AS n,
            countIf(ifNull(Status != 'success', 0)) AS failed,
            countIf(ifNull(Status = 'timeout', 0)) AS timed_out,
            countIf(ifNull(ColdStart, 0) != 0) AS cold,
            quantilesExactStateIf(0.5, 0.95, 0.99)(ifNull(DurationMs, 0), isNotNull(DurationMs)) AS durations,
            max(if(ifNull(MemorySizeMB, 0) = 0, 0, ifNull(MaxMemoryUsedMB, 0) / assumeNotNull(MemorySizeMB))) AS memory_share,
            max(toDateTime64(Start, 3, 'UTC')) AS last_start,
            min(toDateTime64(Start, 3, 'UTC')) AS first_start
        FROM lambda_invocations_between(
            from = {from:DateTime64(3, 'UTC')} - toIntervalSecond({span_s:UInt32}), to = {to:DateTime64(3, 'UTC')})
        WHERE (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
            AND ({account:String} = '' OR AccountId = {account:String})
            AND ({region:String} = '' OR Region = {region:String})
        GROUP BY AccountId, Region, Named, is_now, part
    )
    GROUP BY GROUPING SETS ((AccountId, Region, Named), ())
    HAVING Invocations > 0
)
ORDER BY Invocations DESC
