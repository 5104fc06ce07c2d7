-- Functions with a limit of their own, or near one: reserved and provisioned concurrency against what was used.
WITH
    -- The metrics of those that have one, as the table's key names them: of hundreds of functions a dozen or so.
    limited AS
    (
        SELECT cityHash64(CAST(map('FunctionName', FunctionName) AS Map(LowCardinality(String), String))) AS Named
        FROM
        (
            SELECT FunctionName
            FROM lambda_functions
            GROUP BY AccountId, Region, FunctionName
            HAVING isNotNull(argMax(tuple(ReservedConcurrency), PolledAt).1)
                OR isNotNull(argMax(tuple(ProvisionedConcurrency), PolledAt).1)
            UNION ALL
            SELECT DISTINCT Dimensions['FunctionName']
            FROM lambda_metrics
            WHERE MetricName = 'ProvisionedConcurrencyUtilization' AND DimensionSet = 'FunctionName,Resource'
                AND Namespace = 'AWS/Lambda' AND PeriodS = 60
                AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
        )
    )
SELECT
    AccountId, Region, FunctionName,
    any(Reserved) AS ReservedConcurrency,
    any(Provisioned) AS ProvisionedConcurrency,
    maxIf(highest, MetricName = 'ConcurrentExecutions') AS Busy,
    maxIf(summed, MetricName = 'Invocations') / 60 AS RequestsPerS,
    maxIf(highest, MetricName = 'ProvisionedConcurrencyUtilization') AS ProvisionedUse,
    sumIf(summed, MetricName = 'ProvisionedConcurrencySpilloverInvocations') AS Spillover,
    sumIf(summed, MetricName = 'Throttles') AS Throttled
FROM
(
    SELECT AccountId, Region, Dimensions['FunctionName'] AS FunctionName, MetricName, Time, max(Max) AS highest, max(Sum) AS summed
    FROM lambda_metrics
    WHERE MetricName IN ('ConcurrentExecutions', 'Invocations', 'Throttles') AND DimensionSet = 'FunctionName'
        AND cityHash64(Dimensions) GLOBAL IN (SELECT Named FROM limited)
        AND Namespace = 'AWS/Lambda' AND PeriodS = 60
        AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region, FunctionName, MetricName, Time
    UNION ALL
    SELECT AccountId, Region, Dimensions['FunctionName'] AS FunctionName, MetricName, Time, max(Max) AS highest, max(Sum) AS summed
    FROM lambda_metrics
    WHERE MetricName IN ('ProvisionedConcurrencyUtilization', 'ProvisionedConcurrencySpilloverInvocations')
        AND DimensionSet = 'FunctionName,Resource'
        AND Namespace = 'AWS/Lambda' AND PeriodS = 60
        AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region, FunctionName, MetricName, Time
) AS points
LEFT JOIN
(
    SELECT AccountId, Region, FunctionName,
        argMax(tuple(ReservedConcurrency), PolledAt).1 AS Reserved,
        argMax(tuple(ProvisionedConcurrency), PolledAt).1 AS Provisioned
    FROM lambda_functions
    GROUP BY AccountId, Region, FunctionName
) AS configured USING (AccountId, Region, FunctionName)
WHERE true
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region, FunctionName
HAVING isNotNull(ReservedConcurrency) OR isNotNull(ProvisionedConcurrency) OR isNotNull(ProvisionedUse)
ORDER BY ifNull(Throttled, 0) DESC, Busy / ifNull(ReservedConcurrency, 1000000) DESC
LIMIT 200
