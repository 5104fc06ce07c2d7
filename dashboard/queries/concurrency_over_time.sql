-- Exact peak and time-weighted average of busy sandboxes per bucket: the account ('*') and each function, all versions.
SELECT AccountId, Region, Bucket, FunctionName, Peak, Avg, Provisional
FROM lambda_concurrency(
    from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = {bucket_s:UInt32})
WHERE FunctionVersion = ''
    AND (FunctionName = '*' OR empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
ORDER BY Bucket, FunctionName
