-- Age of the records against the time for which their stream keeps them. What the inventory does not know is taken for a
-- day, the least of both kinds of streams.
WITH retention AS
(
    SELECT Region, FunctionName, min(retention_s) AS kept_s
    FROM
    (
        SELECT Region, FunctionName, EventSourceArn
        FROM lambda_event_source_mappings
        GROUP BY Region, FunctionName, EventSourceArn
    ) AS mapped
    INNER JOIN
    (
        SELECT EventSourceArn, argMax(RetentionS, PolledAt) AS retention_s
        FROM lambda_event_sources
        GROUP BY EventSourceArn
    ) AS sources USING (EventSourceArn)
    WHERE retention_s > 0
    GROUP BY Region, FunctionName
)
SELECT
    AccountId,
    Region,
    FunctionName,
    age_ms / 1000 / if(kept_s > 0, kept_s, 86400) AS Value
FROM
(
    SELECT AccountId, Region, Dimensions['FunctionName'] AS FunctionName, max(Max) AS age_ms
    FROM lambda_metrics
    WHERE MetricName = 'IteratorAge' AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName'
        AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region, FunctionName
) AS ages
LEFT JOIN retention USING (Region, FunctionName);
