-- Invocations per bucket and function: how many, how many failed, how many were cold.
SELECT toDateTime(Bucket, 'UTC') AS Bucket, FunctionName, Invocations, Failed, ColdStarts
FROM lambda_counts(
    from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = {bucket_s:UInt32})
WHERE FunctionName != '*' AND FunctionVersion = ''
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
ORDER BY Bucket, FunctionName
