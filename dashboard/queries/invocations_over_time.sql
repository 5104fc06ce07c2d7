-- Invocations per bucket and function: how many, how many failed, how many were cold.
SELECT
    toDateTime(intDiv(toUnixTimestamp(Start), {bucket_s:UInt32}) * {bucket_s:UInt32}, 'UTC') AS Bucket,
    FunctionName,
    count() AS Invocations,
    countIf(Status NOT IN ('', 'success')) AS Failed,
    countIf(ColdStart) AS ColdStarts
FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY Bucket, FunctionName
ORDER BY Bucket, FunctionName
