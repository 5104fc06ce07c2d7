-- Throttled and other requests per bucket and function, as CloudWatch has them. Points that were published again only grew.
-- Throttles are seldom, so they are looked for first: of the invocations only those of their buckets are read.
WITH throttled AS
(
    SELECT DISTINCT intDiv(toUnixTimestamp(Time), {bucket_s:UInt32}) AS Step, cityHash64(Dimensions) AS Named
    FROM lambda_metrics
    WHERE MetricName = 'Throttles' AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName' AND PeriodS = 60 AND Sum > 0
        AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
)
SELECT
    toDateTime(intDiv(toUnixTimestamp(Time), {bucket_s:UInt32}) * {bucket_s:UInt32}, 'UTC') AS Bucket,
    FunctionName,
    sum(throttles) AS Throttles,
    sum(invocations) AS Invocations
FROM
(
    SELECT
        AccountId, Region, Dimensions['FunctionName'] AS FunctionName, Time,
        ifNull(maxIf(Sum, MetricName = 'Throttles'), 0) AS throttles,
        ifNull(maxIf(Sum, MetricName = 'Invocations'), 0) AS invocations
    FROM lambda_metrics
    -- Without the names at first, which take the longest to read.
    PREWHERE MetricName IN ('Throttles', 'Invocations') AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName'
        AND PeriodS = 60 AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')} AND Sum > 0
        AND intDiv(toUnixTimestamp(Time), {bucket_s:UInt32}) GLOBAL IN (SELECT Step FROM throttled)
    WHERE (intDiv(toUnixTimestamp(Time), {bucket_s:UInt32}), cityHash64(Dimensions)) GLOBAL IN (SELECT Step, Named FROM throttled)
    GROUP BY AccountId, Region, FunctionName, Time
)
WHERE true
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY Bucket, FunctionName
HAVING Throttles > 0
ORDER BY Bucket, FunctionName
