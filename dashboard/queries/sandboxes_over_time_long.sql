-- Execution environments alive in each bucket, on the average: busy, idle, and presumed idle since nobody told their end.
SELECT
    Bucket,
    sum(Busy) AS Working,
    sum(greatest(0., Alive - Busy - Presumed)) AS Waiting,
    sum(least(Presumed, greatest(0., Alive - Busy))) AS PerhapsGone
FROM lambda_sandboxes_over_time(
    from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = {bucket_s:UInt32})
WHERE if(empty({functions:Array(String)}), FunctionName = '*', has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY Bucket
ORDER BY Bucket
