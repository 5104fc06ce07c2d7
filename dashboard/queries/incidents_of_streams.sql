-- What held consumers of streams up in the window: stretches of lag, each with its likely cause.
SELECT
    'streams' AS Page, FunctionName, Cause, Since AS Began, max(Minute) + 60 AS Ended,
    argMax(Confidence, ifNull(IteratorAgeMs, 0)) AS Sure, argMax(Evidence, ifNull(IteratorAgeMs, 0)) AS Why,
    max(ifNull(IteratorAgeMs, 0)) / 1000 AS Weight
FROM lambda_stream_causes_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE Cause NOT IN ('catching_up', 'throttled')
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY FunctionName, Cause, Began
