-- What share of the invocations that CloudWatch counts is in the store, by function, over closed minutes.
SELECT
    AccountId, Region, FunctionName,
    sum(Invocations) AS Counted,
    sum(FromExtension) AS ByLayer,
    sum(FromLogs) AS ByLogs,
    (ByLayer + ByLogs) / Counted AS Share
FROM lambda_coverage_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE true
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region, FunctionName
HAVING Counted > 0
ORDER BY Share, Counted DESC
LIMIT 500
