-- Events that nobody will process any more: dropped, or not delivered where failed ones go.
SELECT AccountId, Region, FunctionName, sum(lost) AS Value
FROM
(
    SELECT AccountId, Region, Dimensions['FunctionName'] AS FunctionName, MetricName, Time, max(Sum) AS lost
    FROM lambda_metrics
    WHERE MetricName IN ('AsyncEventsDropped', 'DeadLetterErrors', 'DestinationDeliveryFailures',
            'RecursiveInvocationsDropped')
        AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName'
        AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region, FunctionName, MetricName, Time
)
GROUP BY AccountId, Region, FunctionName;
