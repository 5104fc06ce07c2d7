-- What became of the records that each event source mapping polled, where its event counts are switched on.
SELECT
    metrics.AccountId AS AccountId, metrics.Region AS Region, Uuid,
    ifNull(nullIf(any(mapping.FunctionName), ''), Uuid) AS FunctionName,
    any(mapping.EventSourceArn) AS EventSourceArn,
    sumIf(summed, MetricName = 'PolledEventCount') AS Polled,
    sumIf(summed, MetricName = 'FilteredOutEventCount') AS FilteredOut,
    sumIf(summed, MetricName = 'InvokedEventCount') AS Invoked,
    sumIf(summed, MetricName = 'FailedInvokeEventCount') AS Failed,
    sumIf(summed, MetricName = 'DroppedEventCount') AS Dropped,
    sumIf(summed, MetricName = 'OnFailureDestinationDeliveredEventCount') AS ToDestination,
    sumIf(summed, MetricName IN ('DeletedEventCount', 'CommittedEventCount')) AS Done
FROM
(
    SELECT AccountId, Region, Dimensions['EventSourceMappingUUID'] AS Uuid, MetricName, Time, max(Sum) AS summed
    FROM lambda_metrics
    WHERE MetricName IN ('PolledEventCount', 'FilteredOutEventCount', 'InvokedEventCount', 'FailedInvokeEventCount',
            'DroppedEventCount', 'OnFailureDestinationDeliveredEventCount', 'DeletedEventCount', 'CommittedEventCount')
        AND Namespace = 'AWS/Lambda' AND DimensionSet = 'EventSourceMappingUUID' AND PeriodS = 60
        AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region, Uuid, MetricName, Time
) AS metrics
LEFT JOIN
(
    SELECT Uuid, argMax(FunctionName, PolledAt) AS FunctionName, argMax(EventSourceArn, PolledAt) AS EventSourceArn
    FROM lambda_event_source_mappings
    GROUP BY Uuid
) AS mapping USING (Uuid)
WHERE (empty({functions:Array(String)}) OR has({functions:Array(String)}, mapping.FunctionName))
    AND ({account:String} = '' OR metrics.AccountId = {account:String})
    AND ({region:String} = '' OR metrics.Region = {region:String})
GROUP BY AccountId, Region, Uuid
ORDER BY Polled DESC
LIMIT 200
