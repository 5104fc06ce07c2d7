-- Each account and region against its limits: what is claimed, how fast requests come, and the quota of both.
SELECT
    AccountId, Region,
    maxIf(highest, MetricName = 'ClaimedAccountConcurrency') AS Claimed,
    maxIf(highest, MetricName = 'UnreservedConcurrentExecutions') AS Unreserved,
    maxIf(highest, MetricName = 'ConcurrentExecutions') AS Busy,
    maxIf(summed, MetricName = 'Invocations') / 60 AS RequestsPerS,
    any(known.AccountLimit) AS AccountLimit,
    any(held.Reserved) AS Reserved,
    any(held.Provisioned) AS Provisioned
FROM
(
    -- Of the greatest it makes no difference that a point may have come twice.
    SELECT AccountId, Region, MetricName, max(Max) AS highest, max(Sum) AS summed
    FROM lambda_metrics
    WHERE MetricName IN ('ClaimedAccountConcurrency', 'UnreservedConcurrentExecutions', 'ConcurrentExecutions', 'Invocations')
        AND Namespace = 'AWS/Lambda' AND DimensionSet = '' AND PeriodS = 60
        AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region, MetricName
) AS points
LEFT JOIN
(
    SELECT AccountId, Region, toNullable(argMax(ConcurrentExecutions, PolledAt)) AS AccountLimit
    FROM lambda_account_limits
    GROUP BY AccountId, Region
) AS known USING (AccountId, Region)
LEFT JOIN
(
    SELECT AccountId, Region, sum(reserved) AS Reserved, sumIf(provisioned, reserved IS NULL) AS Provisioned
    FROM
    (
        SELECT AccountId, Region, FunctionName,
            argMax(tuple(ReservedConcurrency), PolledAt).1 AS reserved,
            argMax(tuple(ProvisionedConcurrency), PolledAt).1 AS provisioned
        FROM lambda_functions
        GROUP BY AccountId, Region, FunctionName
    )
    GROUP BY AccountId, Region
) AS held USING (AccountId, Region)
WHERE true
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region
ORDER BY Claimed DESC
