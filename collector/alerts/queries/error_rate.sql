-- Failed invocations of each function, from its spans; of functions without spans from CloudWatch.
WITH spans AS
(
    SELECT AccountId, Region, FunctionName, countIf(Status != 'success') AS failed, countIf(isNotNull(Status)) AS done
    FROM lambda_invocations
    WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region, FunctionName
    HAVING done > 0
)
SELECT AccountId, Region, FunctionName, failed / done AS Value, toFloat64(done) AS Traffic
FROM spans
UNION ALL
SELECT AccountId, Region, FunctionName, sum(errors) / sum(invocations) AS Value, sum(invocations) AS Traffic
FROM
(
    SELECT
        AccountId,
        Region,
        Dimensions['FunctionName'] AS FunctionName,
        Time,
        maxIf(Sum, MetricName = 'Errors') AS errors,
        maxIf(Sum, MetricName = 'Invocations') AS invocations
    FROM lambda_metrics
    WHERE MetricName IN ('Errors', 'Invocations') AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName'
        AND PeriodS = 60 AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region, FunctionName, Time
)
WHERE (Region, FunctionName) NOT IN (SELECT Region, FunctionName FROM spans)
GROUP BY AccountId, Region, FunctionName
HAVING Traffic > 0;
