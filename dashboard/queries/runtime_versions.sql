-- Versions of the runtime that functions ran on in the window: an update shows as a second one.
WITH
    -- include read_from
SELECT
    AccountId, Region, FunctionName,
    ifNull(RuntimeVersion, '') AS Version,
    min(Start) AS FirstSeen,
    max(Start) AS LastSeen,
    count() AS Invocations,
    quantileExact(0.5)(DurationMs) AS P50Ms,
    quantileExact(0.9)(DurationMs) AS P90Ms,
    countIf(Status != 'success') / count() AS FailedShare,
    quantileExactIf(0.5)(InitDurationMs, isNotNull(InitDurationMs)) AS InitP50Ms,
    read_from AS Since
FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE Start >= read_from AND toStartOfHour(Start, 'UTC') >= toStartOfHour(read_from, 'UTC') AND isNotNull(RuntimeVersion)
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region, FunctionName, Version
ORDER BY FunctionName, FirstSeen
LIMIT 2000
