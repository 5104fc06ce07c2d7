-- Functions that nobody invoked for a while although they were before and after: a mapping that was switched off, callers that
-- were gone. One row for each time that began in the window.
--
-- Told of are ten minutes and more in which, by the three hours on either side, whichever had less, twenty invocations or more
-- were due, in nine different minutes, and that are three times as long as any other pause of these hours: what runs in
-- batches has few such minutes, and pauses that are alike.
--
-- Every minute of every function is looked at: of more than two days, those of the newest two. Of a longer time it is asked
-- about each day by itself.
WITH
    180 AS beside, 10 AS least, 20 AS enough, 9 AS enough_minutes,
    greatest({from:DateTime64(3, 'UTC')}, {to:DateTime64(3, 'UTC')} - toIntervalDay(2)) AS begin
SELECT
    'function' AS Page, AccountId, Region, FunctionName, 'stopped' AS Cause, 'likely' AS Sure,
    toDateTime64(60 * pause.1, 3, 'UTC') AS Began,
    toDateTime64(60 * pause.2, 3, 'UTC') AS Ended,
    concat('nothing was invoked for ', toString(pause.2 - pause.1), ' minutes; ', toString(round(pause.3)),
        ' invocations were due by the hours before and after') AS Why,
    toFloat64(pause.3) AS Weight
FROM
(
    SELECT
        AccountId, Region, FunctionName,
        -- The minutes of all invocations in order, and where in it each minute ends.
        arraySort(groupArray(toUInt32(intDiv(toUnixTimestamp(Start), 60)))) AS minutes,
        arrayFilter((i, minute, next) -> minute != next, arrayEnumerate(minutes), minutes,
            arrayPushBack(arrayPopFront(minutes), 0)) AS ends,
        arrayCompact(minutes) AS at,
        arrayMap((end, before) -> end - before, ends, arrayPushFront(arrayPopBack(ends), 0)) AS counts,
        -- So many due in it take twice as many in the hours beside it.
        arrayMap(i -> (at[i] + 1, at[i + 1]), arrayFilter(
            i -> at[i + 1] - at[i] > least AND (at[i + 1] - at[i]) * arraySum(counts) >= 2 * enough * beside,
            range(1, length(at)))) AS long,
        arrayFilter(p -> p.3 >= enough AND p.4 * 3 <= p.2 - p.1 AND p.5 >= enough_minutes,
            arrayMap(p -> (p.1, p.2,
                (p.2 - p.1) / beside * least(
                    arraySum(arrayFilter((n, t) -> t < p.1 AND t >= p.1 - beside, counts, at)),
                    arraySum(arrayFilter((n, t) -> t >= p.2 AND t < p.2 + beside, counts, at))),
                arrayMax(arrayMap(i -> if(at[i] + 1 = p.1 OR at[i + 1] < p.1 - beside OR at[i] > p.2 + beside, 0, at[i + 1] - at[i] - 1),
                    range(1, length(at)))),
                (p.2 - p.1) / beside * least(
                    arrayCount(t -> t < p.1 AND t >= p.1 - beside, at),
                    arrayCount(t -> t >= p.2 AND t < p.2 + beside, at))), long)) AS pauses
    FROM lambda_invocations_between(from = greatest({from:DateTime64(3, 'UTC')}, {to:DateTime64(3, 'UTC')} - toIntervalDay(2)) - toIntervalHour(3), to = {to:DateTime64(3, 'UTC')} + toIntervalHour(3))
    WHERE (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
        AND ({account:String} = '' OR AccountId = {account:String})
        AND ({region:String} = '' OR Region = {region:String})
    GROUP BY AccountId, Region, FunctionName
    HAVING length(at) > 2
)
ARRAY JOIN pauses AS pause
WHERE Began >= begin AND Began < {to:DateTime64(3, 'UTC')}
ORDER BY Weight DESC
LIMIT 200
