-- What share of the invocations that CloudWatch counts is in the store, by function, over closed minutes: the sums of
-- lambda_coverage_between, without its row for each function and minute.
WITH
    toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AS from_ms,
    toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) AS to_ms,
    toDateTime(greatest(0, intDiv(from_ms + 999, 1000))) AS begin,
    toDateTime(least(toUnixTimestamp(now()) - 1080, intDiv(to_ms, 1000))) AS closed_to,
    -- The minutes of which CloudWatch has told something, of anybody.
    (
        SELECT groupArray((AccountId, Region, minute))
        FROM
        (
            SELECT DISTINCT AccountId, Region, toUnixTimestamp(Time) AS minute
            FROM lambda_metrics
            WHERE MetricName = 'Invocations' AND Namespace = 'AWS/Lambda' AND PeriodS = 60 AND Time >= begin AND Time < closed_to
        )
    ) AS delivered,
    arrayDistinct(delivered.1) AS accounts,
    arrayDistinct(delivered.2) AS regions
SELECT
    AccountId, Region, FunctionName,
    sum(counted) AS Counted,
    toUInt64(sum(from_layer)) AS ByLayer,
    toUInt64(sum(from_logs)) AS ByLogs,
    (ByLayer + ByLogs) / Counted AS Share
FROM
(
    -- A point that came twice is one, the greater.
    SELECT
        AccountId, Region, Dimensions['FunctionName'] AS FunctionName,
        arraySum(arrayReduce('maxMap', [groupArray(toUnixTimestamp(Time))], [groupArray(ifNull(Sum, 0.))]).2) AS counted,
        0 AS from_layer,
        0 AS from_logs
    FROM lambda_metrics
    WHERE MetricName = 'Invocations' AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName' AND PeriodS = 60
        AND Time >= begin AND Time < closed_to
    GROUP BY AccountId, Region, FunctionName
    UNION ALL
    SELECT
        AccountId, Region, FunctionName,
        0. AS counted,
        countIf(Source = 'extension') AS from_layer,
        countIf(Source != 'extension') AS from_logs
    FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
    WHERE toStartOfHour(Start, 'UTC') IN
            (SELECT toDateTime(arrayJoin(arrayDistinct(arrayMap(one -> intDiv(one.3, 3600), delivered))) * 3600, 'UTC'))
        -- One number for account, region and minute, as three columns take twice as long to look up.
        AND bitShiftLeft(indexOf(accounts, AccountId) * (1 + length(regions)) + indexOf(regions, Region), 32)
            + toUnixTimestamp(toStartOfMinute(Start)) IN
            (
                SELECT bitShiftLeft(indexOf(accounts, one.1) * (1 + length(regions)) + indexOf(regions, one.2), 32) + one.3
                FROM (SELECT arrayJoin(delivered) AS one)
            )
    GROUP BY AccountId, Region, FunctionName
)
WHERE true
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region, FunctionName
HAVING Counted > 0
ORDER BY Share, Counted DESC, FunctionName, AccountId, Region
LIMIT 500
