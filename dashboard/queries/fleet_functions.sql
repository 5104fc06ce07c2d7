-- One row per function: what happened in the window, and in the window of the same length before it.
WITH
    {from:DateTime64(3, 'UTC')} AS begin,
    begin - toIntervalSecond({span_s:UInt32}) AS previous
SELECT
    AccountId, Region, FunctionName,
    countIf(Start >= begin) AS Invocations,
    countIf(Start >= begin AND Status NOT IN ('', 'success')) AS Failed,
    countIf(Start >= begin AND Status = 'timeout') AS TimedOut,
    countIf(Start >= begin AND ColdStart) AS ColdStarts,
    quantileExactIf(0.5)(DurationMs, Start >= begin) AS P50Ms,
    quantileExactIf(0.95)(DurationMs, Start >= begin) AS P95Ms,
    quantileExactIf(0.99)(DurationMs, Start >= begin) AS P99Ms,
    max(MaxMemoryUsedMB / MemorySizeMB) AS MemoryShare,
    max(Start) AS LastStart,
    countIf(Start < begin) AS PreviousInvocations,
    countIf(Start < begin AND Status NOT IN ('', 'success')) AS PreviousFailed,
    quantileExactIf(0.95)(DurationMs, Start < begin) AS PreviousP95Ms
FROM lambda_invocations
WHERE Start >= previous AND Start < {to:DateTime64(3, 'UTC')}
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region, FunctionName
HAVING Invocations > 0
ORDER BY Invocations DESC
