-- Per function: when its newest invocation is from, how many still lack their report, and which sandboxes sent.
SELECT
    AccountId, Region, FunctionName,
    count() AS Invocations,
    countIf(EndEstimated) AS WithoutReport,
    uniqExact(InstanceId) AS Sandboxes,
    max(Start) AS LastStart
FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region, FunctionName
ORDER BY LastStart DESC
