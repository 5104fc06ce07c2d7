-- What each function cost at list prices, what of it init and extensions took, and how much of its memory it needed.
SELECT
    costs.AccountId AS AccountId, costs.Region AS Region, costs.FunctionName AS FunctionName,
    arrayStringConcat(arraySort(groupUniqArray(costs.Architecture)), ', ') AS Architectures,
    max(costs.Invocations) AS Requests,
    sum(costs.GbSeconds) AS GbS,
    sum(costs.DurationUsd) + max(costs.RequestsUsd) AS ListUsd,
    sum(costs.InitUsd) AS OfInitUsd,
    sum(costs.PostRuntimeUsd) AS OfExtensionsUsd,
    any(memory.Configured) AS MemoryMB,
    any(memory.Used) AS MaxUsedMB
FROM lambda_costs(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}) AS costs
LEFT JOIN
(
    SELECT AccountId, Region, FunctionName, argMax(MemorySizeMB, Start) AS Configured, max(MaxMemoryUsedMB) AS Used
    FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
    WHERE isNotNull(MemorySizeMB)
    GROUP BY AccountId, Region, FunctionName
) AS memory USING (AccountId, Region, FunctionName)
WHERE true
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region, FunctionName
ORDER BY ListUsd DESC
LIMIT 1000
