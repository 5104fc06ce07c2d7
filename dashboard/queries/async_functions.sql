-- Asynchronous invocation by function: events that were queued, how old they got, and which were lost.
SELECT
    AccountId, Region, FunctionName,
    sumIf(summed, MetricName = 'AsyncEventsReceived') AS Received,
    maxIf(highest, MetricName = 'AsyncEventAge') AS MaxAgeMs,
    sumIf(summed, MetricName = 'AsyncEventsDropped') AS Dropped,
    sumIf(summed, MetricName = 'DeadLetterErrors') AS DeadLetterErrors,
    sumIf(summed, MetricName = 'DestinationDeliveryFailures') AS DestinationFailures,
    sumIf(summed, MetricName = 'RecursiveInvocationsDropped') AS RecursiveDropped
FROM
(
    SELECT AccountId, Region, Dimensions['FunctionName'] AS FunctionName, MetricName, Time,
        max(Sum) AS summed, max(Max) AS highest
    FROM lambda_metrics
    WHERE MetricName IN ('AsyncEventsReceived', 'AsyncEventAge', 'AsyncEventsDropped', 'DeadLetterErrors',
            'DestinationDeliveryFailures', 'RecursiveInvocationsDropped')
        AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName' AND PeriodS = 60
        AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region, FunctionName, MetricName, Time
)
WHERE true
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region, FunctionName
ORDER BY ifNull(Dropped, 0) + ifNull(DeadLetterErrors, 0) + ifNull(DestinationFailures, 0) DESC, Received DESC
LIMIT 500
