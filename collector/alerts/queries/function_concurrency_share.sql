-- Against the function's own reservation; functions without one share the account's.
SELECT AccountId, Region, FunctionName, used / reserved AS Value
FROM
(
    SELECT AccountId, Region, Dimensions['FunctionName'] AS FunctionName, max(Max) AS used
    FROM lambda_metrics
    WHERE MetricName = 'ConcurrentExecutions' AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName'
        AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region, FunctionName
) AS busy
INNER JOIN
(
    SELECT Region, FunctionName, argMax(tuple(ReservedConcurrency), PolledAt).1 AS reserved
    FROM lambda_functions
    GROUP BY Region, FunctionName
    HAVING reserved > 0
) AS reservations USING (Region, FunctionName);
