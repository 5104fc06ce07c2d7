-- Throttled requests of all requests: throttled ones are not among Invocations.
SELECT
    AccountId,
    Region,
    FunctionName,
    sum(throttles) / nullIf(sum(throttles) + sum(invocations), 0) AS Value,
    sum(throttles) + sum(invocations) AS Traffic
FROM
(
    SELECT
        AccountId,
        Region,
        Dimensions['FunctionName'] AS FunctionName,
        Time,
        ifNull(maxIf(Sum, MetricName = 'Throttles'), 0) AS throttles,
        ifNull(maxIf(Sum, MetricName = 'Invocations'), 0) AS invocations
    FROM lambda_metrics
    WHERE MetricName IN ('Throttles', 'Invocations') AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName'
        AND PeriodS = 60 AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region, FunctionName, Time
)
GROUP BY AccountId, Region, FunctionName;
