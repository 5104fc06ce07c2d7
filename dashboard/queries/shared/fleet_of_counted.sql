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
        AccountId, Region, toString(Named) AS FunctionName,
        grouping(Named) AS IsTotal,
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
    FROM counted
    WHERE (empty({functions:Array(String)}) OR has({functions:Array(String)}, Named))
        AND ({account:String} = '' OR AccountId = {account:String})
        AND ({region:String} = '' OR Region = {region:String})
    GROUP BY GROUPING SETS ((AccountId, Region, Named), ())
    HAVING Invocations > 0
)
ORDER BY Invocations DESC
