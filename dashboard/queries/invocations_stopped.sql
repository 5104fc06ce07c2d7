-- Functions that nobody invoked for a while although they were before and after: a mapping that was switched off, callers that
-- were gone. One row for each time that began in the window.
--
-- Told of are ten minutes and more in which thirty invocations or more were due, sixty where it lasted forty minutes. Traffic
-- falls to its least at night and rises again, so that the hours around a quiet time would promise too much: what was due
-- follows from as much time right before and right after it as a quarter of it, whichever had less, without the busiest
-- minute of either. Of traffic that falls to nothing, a fifth of that is true: twelve that were due and did not come. And it
-- is no more than by the share of minutes that had any in the three hours on either side, whatever comes in heaps. A pause is
-- three times as long as any other in these hours: what runs in batches has pauses that are alike.
--
-- Every invocation is held as a number meanwhile: of more than two days, those of the newest two are looked at. Of a longer
-- time, ask about each day by itself, as the pages do.
WITH
    180 AS beside, 10 AS least, 30 AS enough, 60 AS enough_of_long, 40 AS long_minutes,
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
        -- From its first silent minute to the next one that is not, and how much time beside it tells what was due.
        arrayMap(i -> (at[i] + 1, at[i + 1], greatest(5, least(beside, intDiv(at[i + 1] - at[i] - 1, 4))) AS near), arrayFilter(
            i -> at[i + 1] - at[i] > least AND length(minutes) >= enough / 2, range(1, length(at)))) AS long,
        arrayFilter(p -> p.3 >= greatest(enough, least(1, (p.2 - p.1) / long_minutes) * enough_of_long) AND p.4 * 3 <= p.2 - p.1,
            arrayMap(p -> (p.1, p.2,
                (p.2 - p.1) * least(least(
                    arraySum(arrayFilter((n, t) -> t < p.1 AND t >= p.1 - p.3, counts, at) AS ahead) - arrayMax(ahead),
                    arraySum(arrayFilter((n, t) -> t >= p.2 AND t < p.2 + p.3, counts, at) AS behind) - arrayMax(behind)) / (p.3 - 1),
                    -log(1 - arrayCount(t -> t < p.1 AND t >= p.1 - beside, at) / (beside + 1)),
                    -log(1 - arrayCount(t -> t >= p.2 AND t < p.2 + beside, at) / (beside + 1))),
                arrayMax(arrayMap(i -> if(at[i] + 1 = p.1 OR at[i + 1] < p.1 - beside OR at[i] > p.2 + beside, 0, at[i + 1] - at[i] - 1),
                    range(1, length(at))))), long)) AS pauses
    FROM lambda_invocations_between(from = greatest({from:DateTime64(3, 'UTC')}, {to:DateTime64(3, 'UTC')} - toIntervalDay(2)) - toIntervalHour(3), to = {to:DateTime64(3, 'UTC')} + toIntervalHour(9))
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
