-- Events that were queued and events that ran per bucket and function, and the age of the oldest.
SELECT
    toDateTime(intDiv(toUnixTimestamp(Time), {bucket_s:UInt32}) * {bucket_s:UInt32}, 'UTC') AS Bucket,
    FunctionName,
    sumIf(summed, MetricName = 'AsyncEventsReceived') AS Received,
    maxIf(highest, MetricName = 'AsyncEventAge') AS AgeMs
FROM
(
    SELECT AccountId, Region, Dimensions['FunctionName'] AS FunctionName, MetricName, Time,
        max(Sum) AS summed, max(Max) AS highest
    FROM lambda_metrics
    WHERE MetricName IN ('AsyncEventsReceived', 'AsyncEventAge') AND Namespace = 'AWS/Lambda'
        AND DimensionSet = 'FunctionName' AND PeriodS = 60
        AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region, FunctionName, MetricName, Time
)
WHERE true
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY Bucket, FunctionName
ORDER BY Bucket, FunctionName
