SELECT AccountId, Region, claimed / nullIf(account_limit, 0) AS Value
FROM
(
    SELECT AccountId, Region, max(Max) AS claimed
    FROM lambda_metrics
    WHERE MetricName = 'ClaimedAccountConcurrency' AND Namespace = 'AWS/Lambda' AND DimensionSet = ''
        AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region
) AS used
INNER JOIN
(
    SELECT AccountId, Region, argMax(ConcurrentExecutions, PolledAt) AS account_limit
    FROM lambda_account_limits
    GROUP BY AccountId, Region
) AS limits USING (AccountId, Region);
