-- Why requests were throttled: one row per function and minute with throttles that began in [from, to). This is the
-- inference, which takes a good part of a second however little there is to read; the jobs keep its rows, an hour at a time
-- (0024_lambda_causes.sql).
--
-- Lambda tells the reason to the caller alone, and CloudWatch has it for Managed Instances only. So it is inferred, from
-- the minute's own figures, those of the ten minutes on either side, and, where the inventory has them, the limits that
-- held at the time. Points that were published again only grew, so the largest is the latest.
CREATE OR REPLACE VIEW lambda_inferred_throttle_causes AS
WITH
    toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AS from_ms,
    toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) AS to_ms,
    toDateTime(greatest(0, intDiv(from_ms, 1000) - 1200)) AS read_from,
    toDateTime(greatest(0, toUnixTimestamp(read_from) - 3600)) AS holders_from,
    toDateTime(greatest(0, toUnixTimestamp(read_from) - 86400)) AS regions_from,
    toDateTime(least(4294967295, intDiv(to_ms + 999, 1000) + 1200)) AS read_to,
    throttled AS
    (
        SELECT AccountId, Region, Dimensions['FunctionName'] AS FunctionName, toUnixTimestamp(Time) AS minute
        FROM lambda_metrics
        WHERE MetricName = 'Throttles' AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName' AND PeriodS = 60
            AND Sum > 0 AND Time >= read_from AND Time < read_to
    ),
    -- Of most functions nothing is read, and of those throttled the ten minutes (600 s) in which they were and their neighbours.
    near_throttled AS
    (
        SELECT DISTINCT
            AccountId, Region, FunctionName,
            toUInt32(intDiv(minute, 600) + arrayJoin([-1, 0, 1])) AS ten_minutes
        FROM throttled
    ),
    of_functions AS
    (
        SELECT
            AccountId,
            Region,
            Dimensions['FunctionName'] AS FunctionName,
            toUnixTimestamp(Time) AS minute,
            maxIf(Sum, MetricName = 'Throttles') AS throttles,
            maxIf(Sum, MetricName = 'Invocations') AS invocations,
            maxIf(Max, MetricName = 'ConcurrentExecutions') AS concurrency,
            maxIf(Sum, MetricName = 'Duration') AS duration_ms,
            maxIf(SampleCount, MetricName = 'Duration') AS durations,
            maxIf(Max, MetricName = 'AsyncEventAge') AS async_age_ms,
            maxIf(Sum, MetricName = 'AsyncEventsReceived') AS async_received,
            maxIf(Sum, MetricName = 'AsyncEventsDropped') AS async_dropped,
            maxIf(Max, MetricName = 'IteratorAge') AS iterator_age_ms,
            maxIf(Sum, MetricName = 'CPUThrottles') AS cpu_throttles,
            maxIf(Sum, MetricName = 'MemoryThrottles') AS memory_throttles,
            maxIf(Sum, MetricName = 'DiskThrottles') AS disk_throttles,
            maxIf(Sum, MetricName = 'ConcurrencyThrottles') AS concurrency_throttles
        FROM lambda_metrics
        WHERE MetricName IN ('Throttles', 'Invocations', 'ConcurrentExecutions', 'Duration', 'AsyncEventAge',
                'AsyncEventsReceived', 'AsyncEventsDropped', 'IteratorAge', 'CPUThrottles', 'MemoryThrottles',
                'DiskThrottles', 'ConcurrencyThrottles')
            AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName' AND PeriodS = 60
            AND Time >= read_from AND Time < read_to
            AND (AccountId, Region, FunctionName, intDiv(minute, 600)) IN (near_throttled)
        GROUP BY AccountId, Region, FunctionName, minute
    ),
    limits AS
    (
        SELECT AccountId, Region,
            arraySort(groupArray((toUnixTimestamp(toDateTime(PolledAt)), toFloat64(ConcurrentExecutions)))) AS limit_polls
        FROM lambda_account_limits
        GROUP BY AccountId, Region
    ),
    of_regions AS
    (
        SELECT
            AccountId,
            Region,
            toUnixTimestamp(Time) AS minute,
            maxIf(Max, MetricName = 'ConcurrentExecutions') AS account_concurrency,
            maxIf(Max, MetricName = 'UnreservedConcurrentExecutions') AS unreserved_concurrency,
            maxIf(Max, MetricName = 'ClaimedAccountConcurrency') AS claimed_concurrency,
            maxIf(Sum, MetricName = 'Invocations') AS account_invocations
        FROM lambda_metrics
        WHERE MetricName IN ('ConcurrentExecutions', 'UnreservedConcurrentExecutions', 'ClaimedAccountConcurrency',
                'Invocations')
            AND Namespace = 'AWS/Lambda' AND DimensionSet = '' AND PeriodS = 60
            -- The most that was claimed is that of a day before too: of a quarter of an hour, it is what throttled.
            AND Time >= regions_from AND Time < read_to
        GROUP BY AccountId, Region, minute
    ),
    regions AS
    (
        SELECT
            *,
            arrayLast(one -> one.1 <= minute + 60, limit_polls) AS limit_before,
            multiIf(empty(limit_polls), NULL, limit_before.1 > 0, limit_before.2, limit_polls[1].2) AS account_limit,
            max(claimed_concurrency) OVER (PARTITION BY AccountId, Region) AS claimed_most,
            -- Without the inventory, the highest that was ever claimed may be the limit.
            toUInt8(ifNull(claimed_concurrency >= 0.98 * coalesce(account_limit, claimed_most), 0)) AS is_full,
            groupArray(ifNull(claimed_concurrency, 0.)) OVER (
                PARTITION BY AccountId, Region ORDER BY minute RANGE BETWEEN 600 PRECEDING AND 600 FOLLOWING)
                AS claimed_near,
            groupArray(ifNull(account_invocations, 0.)) OVER (
                PARTITION BY AccountId, Region ORDER BY minute RANGE BETWEEN 600 PRECEDING AND 600 FOLLOWING)
                AS invocations_near
        FROM of_regions
        LEFT JOIN limits USING (AccountId, Region)
    ),
    -- Of each minute: itself and its surroundings.
    around AS
    (
        SELECT
            *,
            groupArray((minute, ifNull(throttles, 0.), ifNull(invocations, 0.), ifNull(concurrency, 0.),
                ifNull(duration_ms, 0.), ifNull(durations, 0.), ifNull(async_age_ms, 0.), ifNull(async_dropped, 0.),
                ifNull(iterator_age_ms, 0.), ifNull(async_received, 0.), is_full,
                ifNull(account_concurrency - unreserved_concurrency, 0.))) OVER near AS rows_near
        FROM of_functions
        LEFT JOIN regions USING (AccountId, Region, minute)
        WINDOW near AS (
            PARTITION BY AccountId, Region, FunctionName ORDER BY minute RANGE BETWEEN 600 PRECEDING AND 600 FOLLOWING)
    ),
    -- What was reserved, by the inventory: -1 is nothing.
    reservations AS
    (
        SELECT AccountId, Region, FunctionName,
            arraySort(groupArray((toUnixTimestamp(toDateTime(PolledAt)), toInt64(ifNull(ReservedConcurrency, -1)))))
                AS reserved_polls
        FROM lambda_functions
        WHERE PolledAt >= read_from - 7200 AND PolledAt < read_to + 7200
            AND (AccountId, Region, FunctionName) IN (SELECT AccountId, Region, FunctionName FROM throttled)
        GROUP BY AccountId, Region, FunctionName
    ),
    mappings AS
    (
        SELECT AccountId, Region, FunctionName, groupUniqArray(toString(Kind)) AS mapping_kinds
        FROM lambda_event_source_mappings
        GROUP BY AccountId, Region, FunctionName
    ),
    -- Every function's concurrency in the throttled minutes, and how far it is above that of an hour before.
    holders AS
    (
        SELECT
            AccountId,
            Region,
            minute,
            CAST(
                arraySlice(arrayReverseSort(holder -> (holder.3, holder.2, holder.1), groupArray((name, now_held, now_held - then))), 1, 5),
                'Array(Tuple(String, Float64, Float64))') AS held
        FROM
        (
            SELECT
                AccountId, Region, name, moment.1 AS minute, max(moment.2) AS now_held,
                max(moment.3) AS then
            FROM
            (
                SELECT
                    AccountId,
                    Region,
                    Dimensions['FunctionName'] AS name,
                    arrayJoin([
                        (toUnixTimestamp(Time), assumeNotNull(Max), 0.),
                        (toUInt32(toUnixTimestamp(Time) + 3600), 0., assumeNotNull(Max))]) AS moment
                FROM lambda_metrics
                WHERE MetricName = 'ConcurrentExecutions' AND Namespace = 'AWS/Lambda'
                    AND DimensionSet = 'FunctionName' AND PeriodS = 60
                    AND Time >= holders_from AND Time < read_to AND isNotNull(Max)
                    AND Time IN (SELECT toDateTime(minute - arrayJoin([0, 3600])) FROM throttled)
            )
            WHERE (AccountId, Region, minute) IN (SELECT AccountId, Region, minute FROM throttled)
            GROUP BY AccountId, Region, name, minute
            HAVING now_held > 0
        )
        GROUP BY AccountId, Region, minute
    ),
    -- What is used more than once is a column of a query of its own, here and below: ClickHouse works an alias out anew
    -- wherever it stands, and aliases of aliases soon took most of the time of a question.
    throttled_minutes AS
    (
        SELECT
            *,
            ifNull(concurrency, 0.) AS busy,
            arrayFilter(one -> one.2 > 0, rows_near) AS throttled_near,
            count() OVER (PARTITION BY AccountId, Region, minute) AS functions_throttled,
            arrayLast(one -> one.1 <= minute + 60 AND one.1 >= minute - 7200, reserved_polls) AS poll_before,
            arrayFirst(one -> one.1 > minute + 60 AND one.1 <= minute + 7200, reserved_polls) AS poll_after
        FROM (SELECT * FROM around WHERE throttles > 0) AS a
        LEFT JOIN holders USING (AccountId, Region, minute)
        LEFT JOIN reservations USING (AccountId, Region, FunctionName)
        LEFT JOIN mappings USING (AccountId, Region, FunctionName)
    ),
    edges AS
    (
        SELECT
            *,
            arrayMax(invocations_near) / 60 AS account_per_s,
            arrayCount(one -> one.1 IN (minute - 60, minute + 60), throttled_near) < 2 AS is_edge
        FROM throttled_minutes
    ),
    facts AS
    (
        SELECT
            *,
            -- The newest first: it is what throttling began with. -2: nobody knows, or it changed between two polls.
            arrayDistinct(arrayConcat(
                if(poll_after.1 > 0, [poll_after.2], []), if(poll_before.1 > 0, [poll_before.2], []), [-2]))
                AS reserved_candidates,
            (throttles + ifNull(invocations, 0.)) / 60 AS requests_per_s,
            arrayMax(one -> if(is_edge OR one.1 = minute, one.3, 0.), throttled_near) / 60 AS admitted_per_s,
            arraySum(one -> one.5, throttled_near) / nullIf(arraySum(one -> one.6, throttled_near), 0) AS mean_ms,
            greatest(0., busy - arrayMax(one -> if(one.1 = minute - 60, one.4, 0.), rows_near)) AS rise,
            -- Throttled, and nothing ran: no limit above 0 of its own does that.
            arrayExists(one -> one.3 = 0 AND one.4 = 0, throttled_near) AS stood_still,
            -- Concurrency that is not in the unreserved figure is reserved or provisioned; some of it may be this one's.
            -- The highest of both fall into different moments, which leaves little of a small difference.
            busy > 0 AND arrayMax(one -> one.12, throttled_near) < if(busy < 10, 1, 0.5 * busy) AS is_unreserved,
            arrayCount(one -> one.4 = busy, throttled_near) > 1 OR length(throttled_near) = 1 AS is_level,
            -- Requests per second are admitted at the same rate, minute by minute, however many come.
            arrayExists(one -> one.3 > 0 AND (is_edge OR one.1 = minute) AND arrayExists(
                two -> two.1 != one.1 AND abs(two.3 - one.3) <= 0.02 * one.3, throttled_near), throttled_near)
                AS admits_level,
            -- The account's limit throttles nobody while the account is not full: who is throttled then too has another.
            is_full AND arrayCount(one -> one.11 = 0, throttled_near) < 3 AND (isNotNull(account_limit)
                OR functions_throttled > 1
                OR arrayCount(one -> one >= 0.98 * claimed_most, claimed_near) > 1) AS is_account_full,
            -- Where the limit is not known, a level that throttled once is where a rise ended; one that goes on is a limit.
            if(isNull(account_limit), arrayCount(one -> one.11, throttled_near) < 2,
                ifNull(claimed_concurrency < 0.995 * account_limit, 0)) AS is_short_of_limit,
            -- Without the inventory: as many requests as ten times the most that was claimed, minute by minute the same.
            isNull(account_limit) AND account_per_s >= 9 * arrayMax(claimed_near)
                AND arrayCount(one -> one >= 0.98 * 60 * account_per_s, invocations_near) > 1
                AS account_admits_level,
            -- What else is asked of the minutes around: their rows are the bulk of all this, and end here.
            arrayMax(claimed_near) AS claimed_most_near,
            arrayMax(one -> one.9, rows_near) AS age_near_ms,
            arrayMax(one -> one.7, rows_near) AS async_age_near_ms,
            arraySum(one -> one.8, rows_near) AS async_dropped_near,
            arraySum(one -> one.10, rows_near) AS async_received_near
        FROM edges
    ),
    judged AS
    (
        SELECT
            *,
            max(is_unreserved) OVER (PARTITION BY AccountId, Region, minute) AS throttles_unreserved,
            -- (cause, how sure, what was reserved) for each reservation that may have held.
            arrayMap(reserved -> multiIf(
                cpu_throttles > 0, ('managed_instance_cpu', 'exact', reserved),
                memory_throttles > 0, ('managed_instance_memory', 'exact', reserved),
                disk_throttles > 0, ('managed_instance_disk', 'exact', reserved),
                concurrency_throttles > 0, ('managed_instance_concurrency', 'exact', reserved),
                reserved = 0, ('reserved_zero', 'likely', reserved),
                -- A reserved function has concurrency and requests per second of its own. Both limits are in
                -- proportion, and below 100 ms per request the second is reached first.
                reserved > 0 AND admitted_per_s >= 9 * reserved AND ifNull(mean_ms, 0) < 100,
                    ('reserved_request_rate', 'likely', reserved),
                reserved > 0 AND busy >= 0.9 * reserved, ('reserved_concurrency', 'likely', reserved),
                reserved > 0 AND rise >= 800, ('scaling_rate', 'likely', reserved),
                reserved > 0 AND requests_per_s >= 10 * reserved, ('reserved_request_rate', 'possible', reserved),
                reserved > 0, ('unknown', 'unknown', reserved),
                is_account_full AND (reserved = -1 OR is_unreserved OR functions_throttled > 1)
                    AND NOT (rise >= 800 AND functions_throttled = 1 AND is_short_of_limit),
                    ('account_concurrency', 'likely', reserved),
                account_per_s >= 9 * account_limit, ('account_request_rate', 'likely', reserved),
                account_admits_level AND throttles_unreserved, ('account_request_rate', 'possible', reserved),
                reserved = -2 AND stood_still, ('reserved_zero', 'likely', reserved),
                is_unreserved AND rise >= 800, ('scaling_rate', 'likely', reserved),
                is_unreserved AND rise >= 0.5 * busy AND busy > 1, ('scaling_rate', 'possible', reserved),
                reserved = -1 OR is_unreserved, ('unknown', 'unknown', reserved),
                admits_level AND ifNull(mean_ms, 0) < 100, ('reserved_request_rate', 'possible', reserved),
                busy > 0 AND is_level, ('reserved_concurrency', 'possible', reserved),
                ('unknown', 'unknown', reserved)), reserved_candidates) AS verdicts
        FROM facts
    ),
    decided AS
    (
        SELECT *, multiIf(sure.1 != '', sure, maybe.1 != '', maybe, verdicts[1]) AS verdict
        FROM
        (
            SELECT
                *,
                arrayFirst(one -> one.2 IN ('exact', 'likely') AND one.3 != -2, verdicts) AS sure,
                arrayFirst(one -> one.2 != 'unknown', verdicts) AS maybe
            FROM judged
        )
    ),
    -- What a minute looks like by itself can be chance: of a few sandboxes that serve short requests, one that hangs makes the
    -- other limit of the reservation the one that is reached; a load that takes the account's concurrency meets the scaling
    -- rate on its way, and who is throttled last is throttled alone. So a minute has the cause of those around it, where they
    -- are more.
    neighbours AS
    (
        SELECT
            *,
            arrayLast(one -> one.1 < minute, verdicts_near).2 AS verdict_before,
            arrayFirst(one -> one.1 > minute, verdicts_near).2 AS verdict_after,
            arrayCount(one -> one.2.1 = verdict.1, verdicts_near) AS alike,
            arrayCount(one -> one.2.1 = verdict_before.1, verdicts_near) AS alike_before,
            arrayFilter(one -> one.2.1 = 'account_concurrency', verdicts_near) AS of_account,
            arrayFilter(one -> one.2.1 != verdict.1 AND one.2.1 IN ('reserved_concurrency', 'reserved_request_rate'), verdicts_near)
                AS of_reservation
        FROM
        (
            SELECT *, groupArray((minute, verdict)) OVER (
                PARTITION BY AccountId, Region, FunctionName ORDER BY minute RANGE BETWEEN 600 PRECEDING AND 600 FOLLOWING)
                AS verdicts_near
            FROM decided
        )
    ),
    settled AS
    (
        SELECT
            * REPLACE (multiIf(
                verdict.2 = 'exact', verdict,
                verdict_before.1 = verdict_after.1 AND verdict_before.1 NOT IN ('', 'unknown') AND alike_before > alike, verdict_before,
                (verdict.2 != 'likely' OR verdict.1 = 'scaling_rate') AND length(of_account) > alike
                    AND arrayExists(one -> abs(toInt64(one.1) - minute) <= 180, of_account), of_account[1].2,
                -- Two minutes that admit the same rate are no chance: what lies between such is the limit of the rate.
                verdict.1 = 'reserved_concurrency' AND (length(of_reservation) > alike
                    OR arrayExists(one -> one.1 < minute, of_reservation) AND arrayExists(one -> one.1 > minute, of_reservation)),
                    of_reservation[1].2,
                verdict.1 = 'reserved_request_rate' AND alike < 2 AND length(of_reservation) > alike, of_reservation[1].2,
                verdict) AS verdict)
        FROM neighbours
    ),
    -- Minutes of one cause in a row, with at most ten minutes between them, are one episode.
    turns AS
    (
        SELECT
            *,
            verdict.1 AS cause,
            lagInFrame(cause, 1, '') OVER of_function != cause
                OR minute - lagInFrame(minute, 1, toUInt32(0)) OVER of_function > 660 AS is_first
        FROM settled
        WINDOW of_function AS (
            PARTITION BY AccountId, Region, FunctionName ORDER BY minute ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    ),
    episodes AS
    (
        SELECT *, max(if(is_first, minute, 0)) OVER (
            PARTITION BY AccountId, Region, FunctionName ORDER BY minute ROWS UNBOUNDED PRECEDING) AS since
        FROM turns
    )
SELECT
    AccountId,
    Region,
    FunctionName,
    toDateTime(minute, 'UTC') AS Minute,
    ifNull(throttles, 0.) AS Throttles,
    ifNull(invocations, 0.) AS Invocations,
    Throttles / (Throttles + Invocations) AS ThrottleRate,
    cause AS Cause,
    verdict.2 AS Confidence,
    toUInt8(Confidence != 'exact') AS Inferred,
    toDateTime(since, 'UTC') AS Since,
    ifNull(multiIf(
        startsWith(Cause, 'managed_instance'), 'CloudWatch names the resource',
        Cause = 'reserved_zero' AND verdict.3 = 0, 'the reserved concurrency is 0',
        Cause = 'reserved_zero', 'every request was throttled and nothing ran',
        Cause = 'reserved_concurrency' AND verdict.3 > 0,
            format('concurrency {} of {} reserved', toString(round(busy)), toString(verdict.3)),
        Cause = 'reserved_concurrency',
            format('concurrency stood at {} and is not part of the unreserved figure', toString(round(busy))),
        Cause = 'reserved_request_rate' AND verdict.3 > 0,
            format('{} requests per second ran; 10 for each of {} reserved is {}',
                toString(round(admitted_per_s, 1)), toString(verdict.3), toString(10 * verdict.3)),
        Cause = 'reserved_request_rate',
            format('{} requests per second ran, in each minute the same, of {}',
                toString(round(admitted_per_s, 1)), toString(round(requests_per_s, 1))),
        Cause = 'account_concurrency',
            format('{} of {} claimed{}; {} throttled', toString(round(claimed_concurrency)),
                toString(round(coalesce(account_limit, claimed_most))),
                if(isNull(account_limit), ' (the limit is not known: this is the most that was ever claimed)', ''),
                if(functions_throttled = 1, '1 function', format('{} functions', toString(functions_throttled)))),
        Cause = 'account_request_rate' AND isNull(account_limit),
            format('{} requests per second ran in the account, in more than one minute, with at most {} claimed',
                toString(round(account_per_s, 1)), toString(round(claimed_most_near))),
        Cause = 'account_request_rate',
            format('{} requests per second ran in the account; 10 for each of {} is {}',
                toString(round(account_per_s, 1)), toString(round(account_limit)), toString(round(10 * account_limit))),
        Cause = 'scaling_rate',
            format('concurrency rose by {} within the minute, to {}', toString(round(rise)), toString(round(busy))),
        'no limit that is known was reached'), 'the figures of the account are not there') AS Evidence,
    if(verdict.3 >= 0, toUInt32(verdict.3), NULL) AS ReservedConcurrency,
    toUInt8(verdict.3 != -2) AS ReservationKnown,
    concurrency AS Concurrency,
    rise AS ConcurrencyRise,
    (Throttles + Invocations) / 60 AS RequestsPerS,
    mean_ms AS MeanDurationMs,
    account_limit AS AccountLimit,
    claimed_concurrency AS ClaimedConcurrency,
    unreserved_concurrency AS UnreservedConcurrency,
    functions_throttled AS FunctionsThrottled,
    if(Cause LIKE 'account%', held, []) AS Holders,
    trigger AS Trigger,
    multiIf(
        Trigger = 'stream', 'records waited: the iterator age grew, and records expire at the end of the retention',
        Trigger = 'queue', 'messages went back to the queue, each try counting as a receive',
        Trigger = 'asynchronous', 'events waited in the queue and were tried again for up to six hours',
        'callers got status 429') AS Effect,
    if(Trigger = 'stream', age_near_ms, NULL) AS IteratorAgeMs,
    if(Trigger = 'asynchronous', async_age_near_ms, NULL) AS AsyncEventAgeMs,
    if(Trigger = 'asynchronous', async_dropped_near, NULL) AS AsyncEventsDropped
FROM
(
    SELECT
        *,
        multiIf(
            hasAny(mapping_kinds, ['kinesis', 'dynamodb', 'kafka', 'documentdb']) OR age_near_ms > 0, 'stream',
            has(mapping_kinds, 'sqs'), 'queue',
            async_received_near > 0, 'asynchronous',
            'synchronous') AS trigger
    FROM episodes
    WHERE minute * 1000 >= from_ms AND minute * 1000 < to_ms
)
-- Looking for chains of comparisons takes longer than all else that is done with this text before it runs.
SETTINGS optimize_and_compare_chain = 0;
