-- Per function: when its newest invocation is from, how many still lack their report, and how many sandboxes ran them.
-- rollups: of the window
SELECT
    AccountId, Region, FunctionName, Invocations, EndsEstimated AS WithoutReport, ran.Sandboxes AS Sandboxes, LastStart
FROM lambda_counts(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = 0) AS counted
LEFT JOIN
(
    SELECT AccountId, Region, toString(FunctionName) AS FunctionName, uniqExact(cityHash64(InstanceId)) AS Sandboxes
    FROM lambda_sandbox_parts
    WHERE FirstInvoke < {to:DateTime64(3, 'UTC')} AND LastInvoke >= {from:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region, FunctionName
) AS ran USING (AccountId, Region, FunctionName)
WHERE FunctionName != '*' AND FunctionVersion = ''
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
ORDER BY LastStart DESC
