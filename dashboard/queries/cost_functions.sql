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
    nullIf(max(costs.MaxMemoryUsedMB), 0) AS MaxUsedMB
FROM lambda_costs(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}) AS costs
LEFT JOIN
(
    -- As configured when it ran last, which is looked for in the last six hours and in the last hour before
    -- that the rollups know it from.
    SELECT
        AccountId, Region, toString(Name) AS FunctionName,
        argMax(coalesce(ReportedMemoryMB, ConfiguredMemoryMB), Start) AS Configured
    FROM (SELECT *, FunctionName AS Name FROM lambda_invocation_parts)
    WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
        AND toStartOfHour(Start, 'UTC') >= toStartOfHour({from:DateTime64(3, 'UTC')})
        AND isNotNull(coalesce(ReportedMemoryMB, ConfiguredMemoryMB))
        AND (toStartOfHour({from:DateTime64(3, 'UTC')}) >= toStartOfHour({to:DateTime64(3, 'UTC')} - toIntervalHour(6), 'UTC')
            OR toStartOfHour(Start, 'UTC') >= toStartOfHour({to:DateTime64(3, 'UTC')} - toIntervalHour(6), 'UTC')
            OR (toStartOfHour(Start, 'UTC'), Name) IN
        (
            SELECT max(Time), FunctionName
            FROM lambda_rollups
            WHERE PeriodS = 3600 AND Time >= toStartOfHour({from:DateTime64(3, 'UTC')}) AND Time < {to:DateTime64(3, 'UTC')} AND Invocations > 0
            GROUP BY FunctionName
        ))
    GROUP BY AccountId, Region, FunctionName
) AS memory USING (AccountId, Region, FunctionName)
WHERE true
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region, FunctionName
ORDER BY ListUsd DESC
LIMIT 1000
