-- One row per function, and one for all of them together (IsTotal = 1): what happened in the window,
-- and in the window of the same length before it. Parts are the invocations in 30 equal parts of the window.
-- Percentiles are those of the rollups' bins, which are 1.5 % wide: in the middle of a bin.
-- rollups: of the window and span_s s before it
WITH
    {from:DateTime64(3, 'UTC')} AS begin,
    pow(1.015, -0.5) AS half_bin
SELECT
    AccountId, Region, FunctionName, IsTotal, Invocations, Failed, TimedOut, ColdStarts,
    pow(1.015, keys[arrayFirstIndex(n -> n > 0.5 * known, below)]) * half_bin AS P50Ms,
    pow(1.015, keys[arrayFirstIndex(n -> n > 0.95 * known, below)]) * half_bin AS P95Ms,
    pow(1.015, keys[arrayFirstIndex(n -> n > 0.99 * known, below)]) * half_bin AS P99Ms,
    MemoryShare, LastStart, parts.1 AS Parts, parts.2 AS Counts, FirstStart,
    PreviousInvocations, PreviousFailed, PreviousColdStarts,
    if(known_before = 0, nan, pow(1.015, keys_before[arrayFirstIndex(n -> n > 0.5 * known_before, below_before)]) * half_bin)
        AS PreviousP50Ms,
    if(known_before = 0, nan, pow(1.015, keys_before[arrayFirstIndex(n -> n > 0.95 * known_before, below_before)]) * half_bin)
        AS PreviousP95Ms,
    if(known_before = 0, nan, pow(1.015, keys_before[arrayFirstIndex(n -> n > 0.99 * known_before, below_before)]) * half_bin)
        AS PreviousP99Ms
FROM
(
    SELECT
        AccountId, Region, FunctionName,
        grouping(FunctionName) AS IsTotal,
        sumIf(invocations, is_now) AS Invocations,
        sumIf(failed, is_now) AS Failed,
        sumIf(timed_out, is_now) AS TimedOut,
        sumIf(cold_starts, is_now) AS ColdStarts,
        sumIf(durations, is_now) AS known,
        sumMapIf(bins, is_now) AS bins_now,
        mapKeys(bins_now) AS keys,
        arrayCumSum(mapValues(bins_now)) AS below,
        nullIf(maxIf(memory_share, is_now), 0) AS MemoryShare,
        max(last_start) AS LastStart,
        minIf(first_start, invocations > 0) AS FirstStart,
        sumMap(part_keys, part_counts) AS parts,
        sumIf(invocations, NOT is_now) AS PreviousInvocations,
        sumIf(failed, NOT is_now) AS PreviousFailed,
        sumIf(cold_starts, NOT is_now) AS PreviousColdStarts,
        sumIf(durations, NOT is_now) AS known_before,
        sumMapIf(bins, NOT is_now) AS bins_before,
        mapKeys(bins_before) AS keys_before,
        arrayCumSum(mapValues(bins_before)) AS below_before
    FROM
    (
        SELECT
            AccountId, Region, FunctionName, true AS is_now, Invocations AS invocations, Failed AS failed,
            TimedOut AS timed_out, ColdStarts AS cold_starts, Durations AS durations, DurationBins AS bins,
            MaxMemoryShare AS memory_share, FirstStart AS first_start, LastStart AS last_start,
            CAST([], 'Array(UInt8)') AS part_keys, CAST([], 'Array(UInt64)') AS part_counts
        FROM lambda_counts(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = 0)
        WHERE FunctionName != '*' AND FunctionVersion = ''
        UNION ALL
        SELECT
            AccountId, Region, FunctionName, false, Invocations, Failed, TimedOut, ColdStarts, Durations, DurationBins,
            MaxMemoryShare, FirstStart, LastStart, [], []
        FROM lambda_counts(
            from = {from:DateTime64(3, 'UTC')} - toIntervalSecond({span_s:UInt32}),
            to = {from:DateTime64(3, 'UTC')}, bucket_s = 0)
        WHERE FunctionName != '*' AND FunctionVersion = ''
        UNION ALL
        SELECT
            AccountId, Region, FunctionName, true, 0, 0, 0, 0, 0, map(), 0, toDateTime64(0, 3, 'UTC'),
            toDateTime64(0, 3, 'UTC'),
            [part], [in_part]
        FROM
        (
            SELECT
                AccountId, Region, FunctionName, sum(c.Invocations) AS in_part,
                toUInt8(least(29, greatest(0, intDiv(dateDiff('millisecond', begin, Bucket) * 30, {span_s:UInt32} * 1000)))) AS part
            FROM lambda_counts(
                from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')},
                bucket_s = multiIf({span_s:UInt32} <= 3600, 1, {span_s:UInt32} <= 86400, 60, 3600)) AS c
            WHERE FunctionName != '*' AND FunctionVersion = ''
            GROUP BY AccountId, Region, FunctionName, part
        )
    )
    WHERE (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
        AND ({account:String} = '' OR AccountId = {account:String})
        AND ({region:String} = '' OR Region = {region:String})
    GROUP BY GROUPING SETS ((AccountId, Region, FunctionName), ())
    HAVING Invocations > 0
)
ORDER BY Invocations DESC
