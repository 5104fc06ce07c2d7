-- The figures on top of the fleet: the window, and the one of the same length before it.
WITH
    {from:DateTime64(3, 'UTC')} AS begin,
    begin - toIntervalSecond({span_s:UInt32}) AS previous
SELECT
    Start >= begin AS Current,
    count() AS Invocations,
    min(Start) AS FirstStart,
    countIf(Status NOT IN ('', 'success')) AS Failed,
    countIf(ColdStart) AS ColdStarts,
    quantileExact(0.5)(DurationMs) AS P50Ms,
    quantileExact(0.95)(DurationMs) AS P95Ms,
    quantileExact(0.99)(DurationMs) AS P99Ms
FROM lambda_invocations
WHERE Start >= previous AND Start < {to:DateTime64(3, 'UTC')}
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY Current
