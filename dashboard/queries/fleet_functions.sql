-- One row per function, and one for all of them together (IsTotal = 1): what happened in the window,
-- and in the window of the same length before it. Parts are the invocations in 30 equal parts of the window.
WITH
    {from:DateTime64(3, 'UTC')} AS begin,
    least(29, intDiv(dateDiff('millisecond', begin, Start) * 30, {span_s:UInt32} * 1000)) AS part
SELECT
    AccountId, Region, FunctionName,
    grouping(FunctionName) AS IsTotal,
    countIf(Start >= begin) AS Invocations,
    countIf(Start >= begin AND Status NOT IN ('', 'success')) AS Failed,
    countIf(Start >= begin AND Status = 'timeout') AS TimedOut,
    countIf(Start >= begin AND ColdStart) AS ColdStarts,
    quantileExactIf(0.5)(DurationMs, Start >= begin) AS P50Ms,
    quantileExactIf(0.95)(DurationMs, Start >= begin) AS P95Ms,
    quantileExactIf(0.99)(DurationMs, Start >= begin) AS P99Ms,
    maxIf(MaxMemoryUsedMB / MemorySizeMB, Start >= begin) AS MemoryShare,
    max(Start) AS LastStart,
    sumMapIf([toUInt8(part)], [toUInt64(1)], Start >= begin).1 AS Parts,
    sumMapIf([toUInt8(part)], [toUInt64(1)], Start >= begin).2 AS Counts,
    min(Start) AS FirstStart,
    countIf(Start < begin) AS PreviousInvocations,
    countIf(Start < begin AND Status NOT IN ('', 'success')) AS PreviousFailed,
    countIf(Start < begin AND ColdStart) AS PreviousColdStarts,
    quantileExactIf(0.5)(DurationMs, Start < begin) AS PreviousP50Ms,
    quantileExactIf(0.95)(DurationMs, Start < begin) AS PreviousP95Ms,
    quantileExactIf(0.99)(DurationMs, Start < begin) AS PreviousP99Ms
FROM lambda_invocations_between(
    from = {from:DateTime64(3, 'UTC')} - toIntervalSecond({span_s:UInt32}), to = {to:DateTime64(3, 'UTC')})
WHERE Start >= begin - toIntervalSecond({span_s:UInt32}) AND Start < {to:DateTime64(3, 'UTC')}
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY GROUPING SETS ((AccountId, Region, FunctionName), ())
HAVING Invocations > 0
ORDER BY Invocations DESC
