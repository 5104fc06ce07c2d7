-- sandboxes_over_time of more than six hours: what was busy is what lambda_concurrency says.
-- rollups: of the window
WITH
-- include sandboxes_alive
GLOBAL ANY LEFT JOIN
(
    SELECT AccountId, Region, FunctionName AS Name, Bucket, Avg AS Busy
    FROM lambda_concurrency(
        from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = {bucket_s:UInt32})
    WHERE FunctionVersion = ''
        AND if(empty({functions:Array(String)}), FunctionName = '*', has({functions:Array(String)}, FunctionName))
        AND ({account:String} = '' OR AccountId = {account:String})
        AND ({region:String} = '' OR Region = {region:String})
) AS busy USING (AccountId, Region, Name, Bucket)
GROUP BY Bucket
ORDER BY Bucket
