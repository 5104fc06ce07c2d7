-- The highest concurrency of the account ('*') and of each function, and the instant at which it began: a sweep over what
-- was busy in the window, as lambda_concurrency says it. Half-open intervals [BusyStart, End) in whole milliseconds. What
-- has not ended counts until now, and no longer than the function's time limit.
WITH
    -- include time_limits
    ,
    toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AS from_ms,
    toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) AS to_ms
SELECT
    AccountId, Region, if(grouping(Named) = 1, '*', toString(Named)) AS FunctionName,
    -- To count what was busy then takes half as long as a second sweep.
    toUInt64(arrayCount((begin, end) -> begin <= at_ms AND end > at_ms, groupArrayArray(begins), groupArrayArray(ends))) AS Peak,
    fromUnixTimestamp64Milli(toInt64(maxIntersectionsPositionMerge(positions) AS at_ms), 'UTC') AS At,
    sum(busy_ms) / (to_ms - from_ms) AS Avg,
    sum(sandboxes) AS Sandboxes
FROM
(
    -- Of each function first: the account's are put together from those.
    SELECT
        AccountId, Region, FunctionName AS Named,
        maxIntersectionsPositionState(busy_from, busy_to) AS positions,
        groupArray(busy_from) AS begins,
        groupArray(busy_to) AS ends,
        sum(busy_to - busy_from) AS busy_ms,
        uniqExact(cityHash64(InstanceId)) AS sandboxes
    FROM
    (
        SELECT
            AccountId, Region, FunctionName, InstanceId,
            -- include busy
        FROM lambda_invocations_between(
            from = {from:DateTime64(3, 'UTC')} - toIntervalMinute(20), to = {to:DateTime64(3, 'UTC')} + toIntervalMinute(20))
        WHERE ({account:String} = '' OR AccountId = {account:String})
            AND ({region:String} = '' OR Region = {region:String})
    )
    WHERE busy_to > busy_from
    GROUP BY AccountId, Region, Named
)
GROUP BY GROUPING SETS ((AccountId, Region, Named), (AccountId, Region))
HAVING FunctionName = '*' OR empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName)
ORDER BY Peak DESC, FunctionName
