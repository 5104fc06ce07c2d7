-- How long ago the newest data of each source began. A source that has never sent anything has no row.
SELECT Source, dateDiff('second', newest, {to:DateTime64(3, 'UTC')}) / 60 AS Value
FROM
(
    SELECT 'spans' AS Source, maxOrNull(Timestamp) AS newest
    FROM otel_traces
    WHERE Timestamp >= {to:DateTime64(3, 'UTC')} - toIntervalDay(1) AND Timestamp < {to:DateTime64(3, 'UTC')}
    UNION ALL
    SELECT 'CloudWatch metrics' AS Source, maxOrNull(toDateTime64(Time, 3, 'UTC')) AS newest
    FROM lambda_metrics
    WHERE Time >= {to:DateTime64(3, 'UTC')} - toIntervalDay(1) AND Time < {to:DateTime64(3, 'UTC')}
)
WHERE isNotNull(newest);
