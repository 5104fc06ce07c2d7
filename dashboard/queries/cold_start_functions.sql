-- Cold starts of each function: how many of its invocations waited, how long the init took, by type of initialization.
WITH
    -- include read_from
SELECT
    AccountId, Region, FunctionName, InitType,
    count() AS Invocations,
    countIf(ColdStart) AS ColdStarts,
    countIf(ProactiveInit) AS ProactiveInits,
    quantileExactIf(0.5)(coalesce(RestoreDurationMs, InitDurationMs), ColdStart) AS P50Ms,
    quantileExactIf(0.95)(coalesce(RestoreDurationMs, InitDurationMs), ColdStart) AS P95Ms,
    quantileExactIf(0.99)(coalesce(RestoreDurationMs, InitDurationMs), ColdStart) AS P99Ms,
    sumIf(coalesce(RestoreDurationMs, InitDurationMs, 0), ColdStart) / 1000 AS WaitedS,
    read_from AS Since
FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE Start >= read_from AND toStartOfHour(Start, 'UTC') >= toStartOfHour(read_from, 'UTC') AND Start < {to:DateTime64(3, 'UTC')}
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region, FunctionName, InitType
HAVING ColdStarts > 0 OR ProactiveInits > 0
ORDER BY ColdStarts DESC, FunctionName
