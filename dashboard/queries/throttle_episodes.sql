-- One row per function and stretch of throttling with one likely cause.
SELECT
    AccountId, Region, FunctionName, Cause, Since,
    min(Minute) AS FirstMinute,
    max(Minute) + 60 AS LastMinute,
    sum(Throttles) AS Throttled,
    Throttled / (Throttled + sum(Invocations)) AS Share,
    argMax(Confidence, Throttles) AS Confidence,
    argMax(Evidence, Throttles) AS Evidence,
    any(Trigger) AS Trigger,
    any(Effect) AS Effect
FROM lambda_throttle_causes_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE true
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region, FunctionName, Cause, Since
ORDER BY Throttled DESC
LIMIT 500
