-- The latest invocations that waited for an init.
SELECT
    Start, FunctionName, FunctionVersion, InitType,
    coalesce(RestoreDurationMs, InitDurationMs) AS InitMs,
    DurationMs, Status, ErrorType, EndEstimated, RequestId, InstanceId, Attempt
FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')} AND ColdStart
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
ORDER BY Start DESC
LIMIT {limit:UInt32}
