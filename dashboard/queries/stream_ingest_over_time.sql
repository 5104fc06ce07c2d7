-- Records polled from the streams and handed to functions, where the mapping's event counts are switched on.
SELECT
    toDateTime(intDiv(toUnixTimestamp(Time), {bucket_s:UInt32}) * {bucket_s:UInt32}, 'UTC') AS Bucket,
    mapping.FunctionName AS FunctionName,
    sumIf(summed, MetricName = 'PolledEventCount') AS Polled,
    sumIf(summed, MetricName = 'InvokedEventCount') AS Invoked,
    sumIf(summed, MetricName = 'FailedInvokeEventCount') AS Failed,
    sumIf(summed, MetricName = 'DroppedEventCount') AS Dropped
FROM
(
    SELECT AccountId, Region, Dimensions['EventSourceMappingUUID'] AS Uuid, MetricName, Time, max(Sum) AS summed
    FROM lambda_metrics
    WHERE MetricName IN ('PolledEventCount', 'InvokedEventCount', 'FailedInvokeEventCount', 'DroppedEventCount')
        AND Namespace = 'AWS/Lambda' AND DimensionSet = 'EventSourceMappingUUID' AND PeriodS = 60
        AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region, Uuid, MetricName, Time
) AS metrics
INNER JOIN
(
    SELECT AccountId, Region, Uuid, argMax(FunctionName, PolledAt) AS FunctionName
    FROM lambda_event_source_mappings
    WHERE Kind IN ('kinesis', 'dynamodb', 'documentdb')
    GROUP BY AccountId, Region, Uuid
) AS mapping USING (AccountId, Region, Uuid)
WHERE true
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, mapping.FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY Bucket, FunctionName
HAVING countIf(MetricName = 'PolledEventCount') > 0
ORDER BY Bucket, FunctionName
