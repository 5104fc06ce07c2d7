-- One row per consumer of a stream: how old its records got, against their retention, and what likely held them up.
-- Who had an age in the six hours before the window or in the hour after it is there too: without a point it may be paused.
WITH
    {from:DateTime64(3, 'UTC')} AS begin,
    {to:DateTime64(3, 'UTC')} AS end,
    greatest(1, dateDiff('second', begin, end)) AS length_s,
    mappings AS
    (
        SELECT
            AccountId, Region, FunctionName, EventSourceArn,
            argMax(toString(Kind), PolledAt) AS kind,
            argMaxIf(toString(State), PolledAt, PolledAt < end) AS last_state
        FROM lambda_event_source_mappings
        WHERE Kind IN ('kinesis', 'dynamodb', 'documentdb') AND PolledAt < end + toIntervalHour(1)
        GROUP BY AccountId, Region, FunctionName, EventSourceArn
    )
SELECT
    AccountId, Region, FunctionName, EventSourceArn, kind AS StreamKind,
    oldest AS MaxAgeMs, last_age AS LastAgeMs, last_minute AS LastMinute,
    oldest / 1000 / Retention_s AS WorstShare,
    coalesce(nullIf(retention_s, 0), 86400) AS Retention_s,
    toUInt8(ifNull(retention_s, 0) > 0) AS IsRetentionKnown,
    if(last_age >= 60000, loss_s, NULL) AS TimeToLoss_s,
    worst.1 AS WorstCause, worst.2 AS WorstConfidence, if(worst.1 = '', NULL, worst.3) AS WorstSince,
    worst.4 AS WorstEvidence,
    last_state AS LastState,
    begin AS AgeBegin,
    length_s / 48 AS AgeStep_s,
    arrayMap(part -> ages_s.2[indexOf(ages_s.1, part)], range(48)) AS Ages
FROM
(
    SELECT
        AccountId, Region, FunctionName, EventSourceArn,
        max(oldest) AS oldest, max(last_age) AS last_age, max(last_minute) AS last_minute,
        maxMap(ages_s.1, ages_s.2) AS ages_s,
        max(loss_s) AS loss_s, argMax(worst, worst.1 != '') AS worst
    FROM
    (
        SELECT
            AccountId, Region, FunctionName, EventSourceArn, oldest, last_age, last_minute, ages_s,
            NULL AS loss_s, ('', '', toDateTime(0, 'UTC'), '') AS worst
        FROM
        (
            SELECT
                AccountId, Region, Dimensions['FunctionName'] AS FunctionName,
                maxIf(Max, is_in) AS oldest,
                argMaxIf(Max, (Time, Max), is_in) AS last_age,
                toDateTime(maxIf(Time, is_in), 'UTC') AS last_minute,
                maxMapIf(
                    [toUInt64(least(47, intDiv(greatest(0, dateDiff('second', begin, Time)) * 48, length_s)))],
                    [ifNull(round(Max / 1000), 0)], is_in) AS ages_s
            FROM (SELECT *, Time >= begin AND Time < end AS is_in FROM lambda_metrics)
            WHERE MetricName = 'IteratorAge' AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName' AND PeriodS = 60
                AND Time >= begin - toIntervalHour(6) AND Time < end + toIntervalHour(1)
            GROUP BY AccountId, Region, FunctionName
        ) AS ages
        LEFT JOIN mappings USING (AccountId, Region, FunctionName)
        UNION ALL
        SELECT
            AccountId, Region, FunctionName, EventSourceArn, NULL, NULL, toDateTime(0, 'UTC'), ([], []),
            argMaxIf(tuple(TimeToLossS), Minute, isNotNull(IteratorAgeMs)).1,
            argMax((Cause, Confidence, Since, Evidence), (Cause != 'catching_up', ifNull(IteratorAgeMs, 0)))
        FROM lambda_stream_causes_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
        GROUP BY AccountId, Region, FunctionName, EventSourceArn
    )
    WHERE true
        AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
        AND ({account:String} = '' OR AccountId = {account:String})
        AND ({region:String} = '' OR Region = {region:String})
    GROUP BY AccountId, Region, FunctionName, EventSourceArn
) AS consumers
LEFT JOIN mappings USING (AccountId, Region, FunctionName, EventSourceArn)
LEFT JOIN
(
    SELECT AccountId, Region, EventSourceArn, argMaxIf(RetentionS, PolledAt, isNotNull(RetentionS)) AS retention_s
    FROM lambda_event_sources
    WHERE PolledAt < end + toIntervalHour(1)
    GROUP BY AccountId, Region, EventSourceArn
) AS sources USING (AccountId, Region, EventSourceArn)
ORDER BY WorstCause IN ('', 'catching_up'), WorstShare DESC
LIMIT 200
