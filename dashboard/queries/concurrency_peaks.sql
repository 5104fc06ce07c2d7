-- The highest concurrency of the account ('*') and of each function in the window, and the instant at which it began.
-- Half-open intervals [BusyStart, End) in whole milliseconds, cut at the window. What has not ended counts until now.
WITH
    toUnixTimestamp64Milli(now64(3)) AS now_ms,
    toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AS begin_ms,
    toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) AS end_ms
SELECT
    AccountId, Region, Name AS FunctionName,
    maxIntersections(BusyMs, FreeMs) AS Peak,
    fromUnixTimestamp64Milli(toInt64(maxIntersectionsPosition(BusyMs, FreeMs)), 'UTC') AS At,
    sum(FreeMs - BusyMs) / (end_ms - begin_ms) AS Avg,
    uniqExact(InstanceId) AS Sandboxes
FROM
(
    SELECT
        AccountId, Region, InstanceId, arrayJoin(['*', toString(FunctionName)]) AS Name,
        greatest(toUnixTimestamp64Milli(toDateTime64(BusyStart, 3)), begin_ms) AS BusyMs,
        least(coalesce(toUnixTimestamp64Milli(toDateTime64(End, 3)), least(now_ms, BusyMs + 900000)), end_ms) AS FreeMs
    FROM lambda_invocations_between(
        from = {from:DateTime64(3, 'UTC')} - toIntervalSecond(900),
        to = {to:DateTime64(3, 'UTC')} + toIntervalSecond(900))
    WHERE Start >= {from:DateTime64(3, 'UTC')} - toIntervalSecond(900)
        AND BusyStart < {to:DateTime64(3, 'UTC')}
        AND (End IS NULL OR End > {from:DateTime64(3, 'UTC')})
        AND ({account:String} = '' OR AccountId = {account:String})
        AND ({region:String} = '' OR Region = {region:String})
)
WHERE FreeMs > BusyMs AND (Name = '*' OR empty({functions:Array(String)}) OR has({functions:Array(String)}, Name))
GROUP BY AccountId, Region, Name
ORDER BY Peak DESC, FunctionName
