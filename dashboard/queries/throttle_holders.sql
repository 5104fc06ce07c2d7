-- Who held the account's concurrency while others were throttled for it.
SELECT
    AccountId, Region,
    holder.1 AS FunctionName,
    max(holder.2) AS Held,
    max(holder.3) AS Rose,
    argMax(Minute, holder.2) AS At,
    count() AS Minutes
FROM
(
    SELECT DISTINCT AccountId, Region, Minute, arrayJoin(Holders) AS holder
    FROM lambda_throttle_causes_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
    WHERE true
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
)
GROUP BY AccountId, Region, FunctionName
ORDER BY Held DESC
LIMIT 50
