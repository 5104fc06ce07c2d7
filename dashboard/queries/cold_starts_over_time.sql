-- Invocations that waited for an init, per bucket and function, beside all of them.
SELECT
    toDateTime(intDiv(toUnixTimestamp(Start), {bucket_s:UInt32}) * {bucket_s:UInt32}, 'UTC') AS Bucket,
    FunctionName,
    count() AS Invocations,
    countIf(ColdStart) AS ColdStarts
FROM lambda_invocations
WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY Bucket, FunctionName
ORDER BY Bucket, FunctionName
