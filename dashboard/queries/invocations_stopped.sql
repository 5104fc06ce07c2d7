-- Functions that nobody invoked for a while although they were before: a mapping that was switched off, callers that were gone.
-- One row for each time that reached into the window, whether it is over or goes on until the last that was heard of the
-- account.
--
-- Told of are ten minutes and more in which many invocations were due. Traffic falls to its least at night and rises again, so
-- that the hours around a quiet time would promise too much: what was due follows from as much time right before and right
-- after it as a quarter of it (eight minutes at least), whichever had less, without the busiest minute of either. Where
-- traffic falls to nothing, a fifth of that is true. And it is no more than by the share of minutes that had any in the three
-- hours on either side, whatever comes in heaps. A pause is three times as long as any other in these hours: what runs in
-- batches has pauses that are alike. Where the same time of the day before is known, what was invoked then was due at most:
-- twenty say enough, as traffic did not fall to nothing then. Else thirty do of up to forty minutes, sixty of eighty and more.
-- Of a pause that goes on only the time before it tells: twenty-five, and eighty where the day before is not known. Where many
-- come at once when it is over, they had waited in a queue: callers were there, and the mapping did not invoke.
--
-- Every invocation is held as a number meanwhile: of more than two days, those of the newest two are looked at. Of a longer
-- time, ask about each day by itself, as the pages do.
WITH
    180 AS beside, 10 AS least, 1440 AS day,
    greatest({from:DateTime64(3, 'UTC')}, {to:DateTime64(3, 'UTC')} - toIntervalDay(2)) AS begin
SELECT
    'function' AS Page, AccountId, Region, FunctionName, if(had_waited, 'paused_mapping', 'stopped') AS Cause, 'likely' AS Sure,
    toDateTime64(60 * first, 3, 'UTC') AS Began,
    toDateTime64(60 * until, 3, 'UTC') AS Ended,
    concat('nothing was invoked for ', toString(long), ' minutes',
        multiIf(NOT goes_on, '', Ended >= {to:DateTime64(3, 'UTC')} + toIntervalMinute(530), ' and more', ', and it goes on'),
        '; ', toString(round(due)), ' invocations were due by the time before', if(goes_on, '', ' and after'),
        if(is_known, ' and the day before', ''),
        if(had_waited, concat('; ', toString(at_once), ' came in the minute after it: they had waited'), '')) AS Why,
    toFloat64(due) AS Weight
FROM
(
    SELECT
        *,
        if(is_known, least(due_beside, then), due_beside) AS due,
        -- By Chernoff's bound, so many come in one minute by chance once in 150 times.
        NOT goes_on AND at_once > usual AND at_once * log(at_once / usual) - (at_once - usual) >= 5 AS had_waited
    FROM
    (
        SELECT
            *,
            long * least(most_before / (near - 1), -log(1 - minutes_before / (beside + 1)),
                if(goes_on, inf, least(most_after / (near - 1), -log(1 - minutes_after / (beside + 1))))) AS due_beside,
            greatest(most_before, most_after) / (near - 1) AS usual,
            -- The time of the day before lies in these hours.
            notEmpty(hours) AND arrayMin(hours.1) <= first - day AS is_known,
            arraySum(one -> one.2 * greatest(0, toInt64(least(until - day, one.1 + 60)) - toInt64(greatest(first - day, one.1))) / 60,
                hours) AS then
        FROM
        (
            SELECT
                AccountId, Region, FunctionName, hours, first, until, near, goes_on, until - first AS long,
                -- All but the busiest minute's.
                arraySum(arrayPopBack(arraySort(arrayFilter((n, t) -> t < first AND t >= first - near, counts, at)))) AS most_before,
                arraySum(arrayPopBack(arraySort(arrayFilter((n, t) -> t >= until AND t < until + near, counts, at)))) AS most_after,
                arraySum((n, t) -> if(t = until, n, 0), counts, at) AS at_once,
                arrayCount(t -> t < first AND t >= first - beside, at) AS minutes_before,
                arrayCount(t -> t >= until AND t < until + beside, at) AS minutes_after,
                arrayMax((t, next) -> if(t + 1 = first OR next < first - beside OR t > until + beside, 0, next - t - 1),
                    at, arrayPushBack(arrayPopFront(at), at[-1])) AS longest_other
            FROM
            (
                SELECT
                    AccountId, Region, FunctionName, hours, candidates,
                    -- Where in the order of all invocations each minute ends.
                    arrayFilter((i, minute, next) -> minute != next, arrayEnumerate(minutes), minutes, arrayShiftLeft(minutes, 1)) AS ends,
                    arrayCompact(minutes) AS at,
                    arrayMap((end, before) -> end - before, ends, arrayShiftRight(ends, 1)) AS counts
                FROM
                (
                    SELECT
                        *,
                        -- Few functions have any that are worth a look: five invocations in a quarter of it before, and after.
                        arrayFilter(p -> p.2 - p.1 >= least AND p.5 + p.3 >= p.1 AND (p.4 OR p.6 < p.2 + p.3), arrayMap(
                            (minute, next, fourth_before, fifth_after) -> (minute + 1, if(next = 0, now, next) AS end,
                                greatest(8, least(beside, intDiv(end - minute - 1, 4))), next = 0, fourth_before, fifth_after),
                            minutes, arrayShiftLeft(minutes, 1), arrayShiftRight(minutes, 4), arrayShiftLeft(minutes, 5, 4294967295)))
                            AS candidates
                    FROM
                    (
                        SELECT *, max(minutes[-1]) OVER (PARTITION BY AccountId, Region) AS now
                        FROM
                        (
                            SELECT
                                AccountId, Region, FunctionName,
                                arraySort(groupArrayIf(minute, of_hour = 0)) AS minutes,
                                groupArrayIf((minute, of_hour), of_hour > 0) AS hours
                            FROM
                            (
                                SELECT AccountId, Region, FunctionName, toUInt32(intDiv(toUnixTimestamp(Start), 60)) AS minute, 0 AS of_hour
                                FROM lambda_invocations_between(
                                    from = greatest({from:DateTime64(3, 'UTC')}, {to:DateTime64(3, 'UTC')} - toIntervalDay(2))
                                        - toIntervalHour(if({to:DateTime64(3, 'UTC')} - toIntervalHour(7) < {from:DateTime64(3, 'UTC')}, 9, 3)),
                                    to = {to:DateTime64(3, 'UTC')} + toIntervalHour(9))
                                UNION ALL
                                -- How many of each hour of the day before, by its first minute.
                                SELECT
                                    AccountId, Region, FunctionName, toUInt32(intDiv(toUnixTimestamp(Time), 60)) AS minute,
                                    argMax(Invocations, Version) AS of_hour
                                FROM lambda_rollups
                                WHERE PeriodS = 3600 AND FunctionVersion = '' AND FunctionName != '*'
                                    AND Time >= {from:DateTime64(3, 'UTC')} - toIntervalHour(36)
                                    AND Time < {to:DateTime64(3, 'UTC')} - toIntervalHour(14)
                                GROUP BY AccountId, Region, FunctionName, minute
                                HAVING of_hour > 0
                            )
                            WHERE ({account:String} = '' OR AccountId = {account:String})
                                AND ({region:String} = '' OR Region = {region:String})
                            GROUP BY AccountId, Region, FunctionName
                        )
                    )
                    WHERE empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName)
                )
                WHERE notEmpty(candidates)
            )
            ARRAY JOIN candidates.1 AS first, candidates.2 AS until, candidates.3 AS near, candidates.4 AS goes_on
        )
        WHERE 3 * longest_other <= long
    )
)
WHERE Ended > begin AND Began < {to:DateTime64(3, 'UTC')}
    AND due >= multiIf(goes_on, if(is_known, 25, 80), is_known, 20, 30 * greatest(1, least(2, long / 40)))
ORDER BY Weight DESC
LIMIT 200
