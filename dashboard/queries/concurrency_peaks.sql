-- The highest concurrency of the account ('*') and of each function, and the instant at which it began: a sweep over what
-- was busy in the window, as lambda_concurrency says it. Half-open intervals [BusyStart, End) in whole milliseconds. What
-- has not ended counts until now, and no longer than the function's time limit.
WITH
    -- include time_limits
SELECT
    AccountId, Region, Name AS FunctionName,
    toUInt64(maxIntersections(BusyMs, FreeMs)) AS Peak,
    fromUnixTimestamp64Milli(toInt64(maxIntersectionsPosition(BusyMs, FreeMs)), 'UTC') AS At,
    sum(FreeMs - BusyMs) / (to_ms - from_ms) AS Avg,
    uniqExact(cityHash64(InstanceId)) AS Sandboxes
FROM
(
    SELECT
        AccountId, Region, InstanceId,
        arrayJoin(['*', toString(FunctionName)]) AS Name,
        toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AS from_ms,
        toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) AS to_ms,
        toUnixTimestamp64Milli(Start) AS start_ms,
        greatest(toUnixTimestamp64Milli(BusyStart), start_ms - 1200000, from_ms) AS BusyMs,
        least(ifNull(least(toUnixTimestamp64Milli(End), start_ms + 1200000),
            least(toUnixTimestamp64Milli(now64(3)), start_ms + 1000 * if(isNull(End), ifNull(nullIf(
                time_limits[concat(AccountId, '/', Region, '/', FunctionName)], 0), 900), 900))), to_ms) AS FreeMs
    FROM lambda_invocations_between(
        from = {from:DateTime64(3, 'UTC')} - toIntervalMinute(20), to = {to:DateTime64(3, 'UTC')} + toIntervalMinute(20))
    WHERE ({account:String} = '' OR AccountId = {account:String})
        AND ({region:String} = '' OR Region = {region:String})
)
WHERE FreeMs > BusyMs
    AND (Name = '*' OR empty({functions:Array(String)}) OR has({functions:Array(String)}, Name))
GROUP BY AccountId, Region, Name, from_ms, to_ms
ORDER BY Peak DESC, FunctionName
