-- What of a function's invocations Lambdascope has seen, on minutes that are closed: those whose points of CloudWatch
-- do not change any more, and whose spans have come.
CREATE OR REPLACE VIEW lambda_coverage_between AS
WITH
    toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AS from_ms,
    toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) AS to_ms,
    -- An invocation lasts 15 minutes at most, and its points come three minutes after.
    least(toUnixTimestamp(now()) - 1080, intDiv(to_ms, 1000)) AS closed_to
SELECT
    AccountId,
    Region,
    FunctionName,
    toDateTime(minute, 'UTC') AS Minute,
    sum(counted) AS Invocations,
    toUInt64(sum(from_layer)) AS FromExtension,
    toUInt64(sum(from_logs)) AS FromLogs,
    if(Invocations > 0, (FromExtension + FromLogs) / Invocations, NULL) AS Coverage
FROM
(
    SELECT
        AccountId,
        Region,
        Dimensions['FunctionName'] AS FunctionName,
        toUnixTimestamp(Time) AS minute,
        max(ifNull(Sum, 0.)) AS counted,
        0 AS from_layer,
        0 AS from_logs
    FROM lambda_metrics
    WHERE MetricName = 'Invocations' AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName' AND PeriodS = 60
        AND Time >= toDateTime(greatest(0, intDiv(from_ms, 1000))) AND Time < toDateTime(least(4294967295, closed_to))
    GROUP BY AccountId, Region, FunctionName, minute
    UNION ALL
    SELECT
        AccountId,
        Region,
        FunctionName,
        toUnixTimestamp(toStartOfMinute(Start)) AS minute,
        0. AS counted,
        countIf(Source = 'extension') AS from_layer,
        countIf(Source != 'extension') AS from_logs
    FROM lambda_invocations_between(
        from = fromUnixTimestamp64Milli(toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}), 'UTC'),
        to = fromUnixTimestamp64Milli(toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}), 'UTC'))
    -- Hours of which CloudWatch has told nothing need not be read: what is in them is left out below.
    WHERE toStartOfHour(Start, 'UTC') GLOBAL IN
    (
        SELECT toStartOfHour(Time, 'UTC')
        FROM lambda_metrics
        WHERE MetricName = 'Invocations' AND Namespace = 'AWS/Lambda' AND PeriodS = 60
            AND Time >= toDateTime(greatest(0, intDiv(from_ms, 1000))) AND Time < toDateTime(least(4294967295, closed_to))
    )
    GROUP BY AccountId, Region, FunctionName, minute
)
WHERE minute * 1000 >= from_ms AND minute < closed_to
GROUP BY AccountId, Region, FunctionName, minute
-- Minutes of which CloudWatch has told nothing, of anybody, tell nothing of coverage.
HAVING Invocations > 0
    OR (AccountId, Region, minute) IN
    (
        SELECT AccountId, Region, toUnixTimestamp(Time)
        FROM lambda_metrics
        WHERE MetricName = 'Invocations' AND Namespace = 'AWS/Lambda' AND PeriodS = 60
            AND Time >= toDateTime(greatest(0, intDiv(from_ms, 1000))) AND Time < toDateTime(least(4294967295, closed_to))
    );

-- The same of all that is stored.
CREATE OR REPLACE VIEW lambda_coverage AS
SELECT * FROM lambda_coverage_between(from = '1970-01-01 00:00:00', to = '2106-01-01 00:00:00');

-- One metric under one set of dimensions, minute by minute, with what it means that there is no point. A region's minute
-- was delivered where any function has a point in it, or the poller has read it.
CREATE OR REPLACE VIEW lambda_metric_minutes AS
WITH
    toUInt32(greatest(0, intDiv(toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}), 60000) * 60)) AS from_s,
    toUInt32(least(4294967280, intDiv(toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) + 59999, 60000) * 60)) AS to_s,
    points AS
    (
        SELECT
            AccountId, Region, Dimensions AS dimensions, toUnixTimestamp(Time) AS minute,
            max(Sum) AS total, min(Min) AS lowest, max(Max) AS highest, max(SampleCount) AS samples
        FROM lambda_metrics
        WHERE MetricName = {metric:String} AND Namespace = 'AWS/Lambda' AND DimensionSet = {dimension_set:String}
            AND PeriodS = 60 AND Time >= toDateTime(from_s) AND Time < toDateTime(to_s)
        GROUP BY AccountId, Region, dimensions, minute
    ),
    delivered AS
    (
        SELECT DISTINCT AccountId, Region, toUnixTimestamp(Time) AS minute, 1 AS is_delivered
        FROM lambda_metrics
        WHERE MetricName = 'Invocations' AND Namespace = 'AWS/Lambda' AND PeriodS = 60
            AND Time >= toDateTime(from_s) AND Time < toDateTime(to_s)
    ),
    polled AS
    (
        SELECT AccountId, Region, toUnixTimestamp(max(Since)) AS polled_from, toUnixTimestamp(max(Through)) AS polled_to
        FROM lambda_poller_state
        WHERE Job = 'metrics'
        GROUP BY AccountId, Region
    )
SELECT
    AccountId,
    Region,
    dimensions AS Dimensions,
    toDateTime(minute, 'UTC') AS Minute,
    multiIf(
        isNotNull(samples) OR isNotNull(total) OR isNotNull(highest) OR isNotNull(lowest), 'value',
        is_delivered OR (minute >= polled_from AND minute < polled_to), 'no_invocations',
        'no_delivery') AS State,
    total AS Sum,
    lowest AS Min,
    highest AS Max,
    samples AS SampleCount
FROM
(
    SELECT AccountId, Region, dimensions, arrayJoin(range(from_s, to_s, 60)) AS minute
    FROM (SELECT DISTINCT AccountId, Region, dimensions FROM points)
) AS grid
LEFT JOIN points USING (AccountId, Region, dimensions, minute)
LEFT JOIN delivered USING (AccountId, Region, minute)
LEFT JOIN polled USING (AccountId, Region);
