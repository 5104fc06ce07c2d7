-- Who held the account's concurrency while others were throttled for it.
SELECT
    AccountId, Region, FunctionName,
    holder.1 AS Holder,
    max(holder.2) AS Held,
    max(holder.3) AS Rose,
    argMax(Minute, holder.2) AS At,
    groupUniqArray(Minute) AS AllMinutes
FROM
(
    SELECT AccountId, Region, FunctionName, Minute, arrayJoin(Holders) AS holder
    FROM lambda_throttle_causes_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
    WHERE true
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
)
GROUP BY AccountId, Region, FunctionName, Holder
ORDER BY FunctionName, Holder
