-- Event source mappings that did not poll for a while although records came: all of them came at once when it was over. The
-- metrics of mappings have it, which are to be asked for (EventCount); with them, some ten records tell what invocations do
-- not, as those that waited are taken in few batches. One row for each time that reached into the window and is over.
--
-- Told of are five minutes and more without a poll of a mapping that polled so often before that chance leaves them once in
-- three thousand times, after which so many records came within two minutes as chance brings once in millions; half or more of
-- what was due. What comes in heaps is left out: other times without a poll are half as long then, or other heaps as high.
--
-- Whose mapping it is says the inventory. Without it, it is that of the function which was invoked in the same minutes.
WITH
    {from:DateTime64(3, 'UTC')} AS begin,
    {to:DateTime64(3, 'UTC')} AS end,
    180 AS beside,
    -- Each with the minutes around it in which records were polled.
    (
        SELECT groupArray((AccountId, Region, Uuid, first, until, came, rate * (until - first), near))
        FROM
        (
            SELECT *, 2 * greatest(rate, rate_after) AS usual
            FROM
            (
                SELECT
                    AccountId, Region, Uuid, first, until, came, hour,
                    arrayFilter((t, n) -> n > 0 AND t >= first - beside AND t < until + beside, minutes, counts) AS near,
                    arrayCount(t -> t < first AND t >= first - hour, minutes) AS polls,
                    arraySum((t, n) -> if(t < first AND t >= first - hour, n, 0), minutes, counts) / hour AS rate,
                    arraySum((t, n) -> if(t > until + 1 AND t <= until + 61, n, 0), minutes, counts) / 60 AS rate_after,
                    arrayMax((t, n) -> if(t != until AND t != until + 1 AND t >= first - beside AND t < until + beside, n, 0),
                        minutes, pairs) AS heap,
                    arrayMax((t, next) ->
                            if(t + 1 = first OR next < first - beside OR t > until + beside OR next = 0, 0, next - t - 1),
                        minutes, next_minutes) AS longest_other
                FROM
                (
                    SELECT
                        *,
                        candidates.1 AS first, candidates.2 AS until, candidates.3 AS came,
                        -- The hour before it, or as much of it as there was.
                        least(60, greatest(10, first - minutes[1])) AS hour
                    FROM
                    (
                        SELECT
                            *,
                            arrayFilter(p -> p.2 >= p.1 + 5 AND p.3 >= 6
                                    AND p.2 * 60 > toUnixTimestamp(begin) AND p.1 * 60 < toUnixTimestamp(end),
                                arrayMap((t, next, n) -> (t + 1, next, n), minutes, next_minutes, arrayShiftLeft(pairs, 1))) AS candidates
                        FROM
                        (
                            SELECT
                                *,
                                -- How many came in a minute and the one after it.
                                arrayMap((t, n, next, after) -> n + if(next = t + 1, after, 0),
                                    minutes, counts, next_minutes, arrayShiftLeft(counts, 1)) AS pairs
                            FROM
                            (
                                SELECT
                                    AccountId, Region, Uuid,
                                    points.1 AS minutes, points.2 AS counts, arrayShiftLeft(points.1, 1) AS next_minutes
                                FROM
                                (
                                    SELECT AccountId, Region, Uuid, arraySort(groupArray((minute, polled))) AS points
                                    FROM
                                    (
                                        SELECT
                                            AccountId, Region, Dimensions['EventSourceMappingUUID'] AS Uuid,
                                            toUInt32(intDiv(toUnixTimestamp(Time), 60)) AS minute, ifNull(max(Sum), 0.) AS polled
                                        FROM lambda_metrics
                                        WHERE MetricName = 'PolledEventCount' AND Namespace = 'AWS/Lambda'
                                            AND DimensionSet = 'EventSourceMappingUUID' AND PeriodS = 60
                                            AND Time >= begin - toIntervalHour(6) AND Time < end + toIntervalHour(4)
                                            AND ({account:String} = '' OR AccountId = {account:String})
                                            AND ({region:String} = '' OR Region = {region:String})
                                        GROUP BY AccountId, Region, Uuid, minute
                                    )
                                    GROUP BY AccountId, Region, Uuid
                                )
                            )
                        )
                    )
                    ARRAY JOIN candidates
                )
            )
        )
        WHERE came > usual AND came * log(came / usual) - (came - usual) >= 15 AND polls * log(1 + (until - first) / hour) >= 8
            AND came >= 0.5 * rate * (until - first) AND came >= 1.5 * heap AND until - first >= 2 * longest_other
    ) AS pauses,
    (
        SELECT mapFromArrays(groupArray(Uuid), groupArray(name))
        FROM (SELECT Uuid, argMax(FunctionName, PolledAt) AS name FROM lambda_event_source_mappings GROUP BY Uuid)
    ) AS mapping_of
SELECT
    if(reads_stream, 'streams', 'function') AS Page, AccountId, Region, FunctionName, 'paused_mapping' AS Cause, 'likely' AS Sure,
    toDateTime64(60 * pause.4, 3, 'UTC') AS Began,
    toDateTime64(60 * pause.5, 3, 'UTC') AS Ended,
    concat('nothing was invoked for ', toString(pause.5 - pause.4), ' minutes, as the mapping did not poll; ', toString(pause.6),
        ' records came within two minutes after it, where ', toString(round(pause.7)), ' were due: they had waited') AS Why,
    toFloat64(pause.6) AS Weight
FROM
(
    SELECT
        pause, AccountId, Region, FunctionName, reads_stream,
        arrayFilter(t -> t >= pause.4 - beside AND t < pause.5 + beside, ran) AS ran_near,
        length(arrayIntersect(pause.8, ran_near)) AS both,
        both / (length(ran_near) + length(pause.8) - both) AS alike,
        mapping_of[pause.3] = FunctionName AS is_known
    FROM
    (
        SELECT
            AccountId, Region, FunctionName,
            groupArrayIf(minute, invoked) AS ran, groupArray(minute) AS busy, max(has_age) AS reads_stream
        FROM
        (
            SELECT
                AccountId, Region, Dimensions['FunctionName'] AS FunctionName, toUInt32(intDiv(toUnixTimestamp(Time), 60)) AS minute,
                max(MetricName = 'Invocations') AS invoked, max(MetricName = 'IteratorAge') AS has_age
            FROM lambda_metrics
            WHERE notEmpty(pauses) AND MetricName IN ('Invocations', 'ConcurrentExecutions', 'Throttles', 'IteratorAge')
                AND (Sum > 0 OR MetricName = 'IteratorAge')
                AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName' AND PeriodS = 60
                AND Time >= toDateTime(60 * (arrayMin(pauses.4) - beside)) AND Time < toDateTime(60 * (arrayMax(pauses.5) + beside))
            GROUP BY AccountId, Region, FunctionName, minute
        )
        GROUP BY AccountId, Region, FunctionName
    )
    ARRAY JOIN pauses AS pause
    WHERE pause.1 = AccountId AND pause.2 = Region
        -- Nothing ran or was turned away meanwhile: what was still running at its beginning is none of it.
        AND NOT arrayExists(t -> t >= pause.4 + 1 AND t < pause.5 - 1, busy)
)
WHERE (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName)) AND (is_known OR alike >= 0.7)
ORDER BY is_known DESC, alike DESC
LIMIT 1 BY AccountId, Region, pause.3, pause.4
