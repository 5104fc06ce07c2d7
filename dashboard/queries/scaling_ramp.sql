-- How fast each function added sandboxes: most inits within ten seconds, against Lambda's 1,000 per function and ten seconds.
SELECT AccountId, Region, FunctionName, max(added) AS MostIn10s, argMax(at, added) AS At, sum(added) AS Added
FROM
(
    SELECT
        AccountId, Region, FunctionName,
        toStartOfInterval(assumeNotNull(InitStart), toIntervalSecond(10)) AS at, uniqExact(InstanceId) AS added
    FROM lambda_sandbox_parts
    WHERE InitStart >= {from:DateTime64(3, 'UTC')} AND InitStart < {to:DateTime64(3, 'UTC')}
        AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
        AND ({account:String} = '' OR AccountId = {account:String})
        AND ({region:String} = '' OR Region = {region:String})
    GROUP BY AccountId, Region, FunctionName, at
)
GROUP BY AccountId, Region, FunctionName
ORDER BY MostIn10s DESC
LIMIT 20
