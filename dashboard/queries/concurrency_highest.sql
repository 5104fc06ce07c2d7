-- The highest concurrency of the account ('*') and of each function in the window's buckets, without the instant:
-- to find it, invocations are read.
-- rollups: of the window
SELECT AccountId, Region, FunctionName, c.Peak AS Peak
FROM lambda_concurrency_peaks(
    from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = least({bucket_s:UInt32}, 3600)) AS c
WHERE (FunctionName = '*' OR empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
ORDER BY Peak DESC, FunctionName
