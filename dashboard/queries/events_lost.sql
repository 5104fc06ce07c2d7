-- Stretches in which a function lost events that it should have run asynchronously: a hundred, or ten and a tenth or more of
-- those that came meanwhile. Single ones are lost wherever an attempt in a hundred fails, three times in a row. With its
-- reserved concurrency at 0 Lambda loses all of them at once, and nothing runs: then three tell.
SELECT
    sum(dropped) AS lost, max(came_until) - min(came_until - came) AS received, max(ran_until) - min(ran_until - ran) AS invocations,
    'async' AS Page, AccountId, Region, FunctionName,
    if(invocations = 0 AND lost >= 0.9 * received, 'reserved_zero', 'events_lost') AS Cause,
    'likely' AS Sure,
    min(Time)::DateTime64(3, 'UTC') AS Began,
    (max(Time) + 60)::DateTime64(3, 'UTC') AS Ended,
    concat(toString(lost), ' of ', toString(received), ' events were lost', if(invocations = 0, ', and nothing ran', '')) AS Why,
    toFloat64(lost) AS Weight
FROM
(
    SELECT *, sum(isNull(before) OR Time > before + 600) OVER (PARTITION BY AccountId, Region, FunctionName ORDER BY Time) AS stretch
    FROM
    (
        SELECT *, lagInFrame(toNullable(Time)) OVER (PARTITION BY AccountId, Region, FunctionName ORDER BY Time
            ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
        FROM
        (
            SELECT
                *,
                sum(came) OVER until_now AS came_until,
                sum(ran) OVER until_now AS ran_until
            FROM
            (
                SELECT
                    AccountId, Region, Dimensions['FunctionName'] AS FunctionName, Time,
                    toUInt64(ifNull(maxIf(Sum, MetricName = 'AsyncEventsDropped'), 0)) AS dropped,
                    toUInt64(ifNull(maxIf(Sum, MetricName = 'AsyncEventsReceived'), 0)) AS came,
                    toUInt64(ifNull(maxIf(Sum, MetricName = 'Invocations'), 0)) AS ran
                FROM lambda_metrics
                WHERE MetricName IN ('AsyncEventsDropped', 'AsyncEventsReceived', 'Invocations') AND Namespace = 'AWS/Lambda'
                    AND DimensionSet = 'FunctionName' AND PeriodS = 60
                    AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
                    -- As the table's key names them: of none and of few little is read.
                    AND cityHash64(Dimensions) GLOBAL IN
                    (
                        SELECT cityHash64(Dimensions)
                        FROM lambda_metrics
                        WHERE MetricName = 'AsyncEventsDropped' AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName'
                            AND PeriodS = 60 AND Sum > 0
                            AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
                    )
                GROUP BY AccountId, Region, FunctionName, Time
            )
            WINDOW until_now AS (PARTITION BY AccountId, Region, FunctionName ORDER BY Time ROWS UNBOUNDED PRECEDING)
        )
        WHERE dropped > 0
    )
)
WHERE (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region, FunctionName, stretch
HAVING lost >= 100 OR lost >= 0.1 * received AND lost >= if(Cause = 'reserved_zero', 3, 10)
