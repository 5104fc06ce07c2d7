-- How far behind the consumers of streams are: one row per function, event source mapping and minute in [from, to).
--
-- A minute in which the mapping did not invoke has no point in CloudWatch, however far behind it is: such minutes are
-- rows too, and say so. What lags has a likely cause, by the function's own figures: a shard that stands still keeps
-- failing while the others go on, a slow consumer succeeds and takes too long, a paused mapping does not invoke at all.
-- The figures of consumers: a view says which, in a scalar `watched_list`, which is worked out once.
-- define lag_sources
WITH
    toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AS from_ms,
    toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) AS to_ms,
    toDateTime(greatest(0, intDiv(from_ms, 1000) - 86400)) AS read_from,
    toDateTime(least(4294967295, intDiv(to_ms + 999, 1000) + 3600)) AS read_to,
    deliveries AS
    (
        SELECT DISTINCT AccountId, Region, toUnixTimestamp(Time) AS minute, 1 AS is_delivered
        FROM lambda_metrics
        WHERE MetricName = 'Invocations' AND Namespace = 'AWS/Lambda' AND PeriodS = 60
            AND Time >= read_from AND Time < read_to
    ),
    last_deliveries AS (SELECT AccountId, Region, max(minute) AS last_delivered FROM deliveries GROUP BY AccountId, Region),
    polled AS
    (
        SELECT AccountId, Region, toUnixTimestamp(max(Since)) AS polled_from, toUnixTimestamp(max(Through)) AS polled_to
        FROM lambda_poller_state
        WHERE Job = 'metrics'
        GROUP BY AccountId, Region
    ),
    -- Mappings of streams as the inventory saw them last before `to`, and the retention of what they read.
    mappings AS
    (
        SELECT
            AccountId,
            Region,
            FunctionName,
            Uuid,
            argMax(EventSourceArn, PolledAt) AS source_arn,
            argMax(toString(Kind), PolledAt) AS source_kind,
            arraySort(groupArray((toUnixTimestamp(toDateTime(PolledAt)), toString(State)))) AS states
        FROM lambda_event_source_mappings
        WHERE Kind IN ('kinesis', 'dynamodb', 'documentdb') AND PolledAt < read_to
        GROUP BY AccountId, Region, FunctionName, Uuid
    ),
    sources AS
    (
        SELECT AccountId, Region, EventSourceArn AS source_arn, argMaxIf(RetentionS, PolledAt, isNotNull(RetentionS)) AS retention_s
        FROM lambda_event_sources
        WHERE PolledAt < read_to
        GROUP BY AccountId, Region, source_arn
    ),
    consumers AS
    (
        SELECT DISTINCT AccountId, Region, Dimensions['FunctionName'] AS FunctionName
        FROM lambda_metrics
        WHERE MetricName = 'IteratorAge' AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName' AND PeriodS = 60
            AND Time >= read_from AND Time < read_to
        UNION DISTINCT
        SELECT AccountId, Region, FunctionName FROM mappings
    ),
    -- One row per consumer.
    figures AS
    (
        SELECT
            AccountId, Region, FunctionName,
            any(last_delivered) AS last_delivery,
            max(age) AS oldest_ms,
            max(refused > 0 AND refused >= ran AND ifNull(age, 60000) >= 60000) AS was_throttled,
            min(minute) AS first_minute,
            sumMap(map(intDiv(minute, 3600), ran)) AS ran_by_hour,
            maxIf(minute, isNotNull(age)) AS last_minute
        FROM
        (
            SELECT
                AccountId, Region, Dimensions['FunctionName'] AS FunctionName, toUnixTimestamp(Time) AS minute,
                maxIf(Max, MetricName = 'IteratorAge') AS age,
                ifNull(maxIf(Sum, MetricName = 'Throttles'), 0.) AS refused,
                ifNull(maxIf(Sum, MetricName = 'Invocations'), 0.) AS ran
            FROM lambda_metrics
            WHERE MetricName IN ('IteratorAge', 'Throttles', 'Invocations')
                AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName' AND PeriodS = 60
                AND Time >= read_from AND Time < read_to
                AND (AccountId, Region, FunctionName) IN (consumers)
            GROUP BY AccountId, Region, FunctionName, minute
        ) AS figures
        INNER JOIN last_deliveries USING (AccountId, Region)
        GROUP BY AccountId, Region, FunctionName
    )
-- end

-- define lag_of_watched
watched AS
    (
        SELECT
            toLowCardinality(one.1) AS AccountId, toLowCardinality(one.2) AS Region, one.3 AS FunctionName,
            one.4 AS first_minute, one.5 AS last_delivered
        FROM (SELECT arrayJoin(watched_list) AS one)
    ),
    points AS
    (
        SELECT
            AccountId,
            Region,
            Dimensions['FunctionName'] AS FunctionName,
            toUnixTimestamp(Time) AS minute,
            maxIf(Max, MetricName = 'IteratorAge') AS age_ms,
            minIf(Min, MetricName = 'IteratorAge') AS least_age_ms,
            maxIf(Sum, MetricName = 'Invocations') AS invocations,
            maxIf(Sum, MetricName = 'Errors') AS errors,
            maxIf(Sum, MetricName = 'Throttles') AS throttles,
            maxIf(Sum, MetricName = 'Duration') AS duration_ms,
            maxIf(SampleCount, MetricName = 'Duration') AS durations,
            maxIf(Max, MetricName = 'ConcurrentExecutions') AS concurrency,
            minIf(Min, MetricName = 'Duration') AS least_ms,
            maxIf(Max, MetricName = 'Duration') AS most_ms
        FROM lambda_metrics
        WHERE MetricName IN ('IteratorAge', 'Invocations', 'Errors', 'Throttles', 'Duration', 'ConcurrentExecutions')
            AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName' AND PeriodS = 60
            AND Time >= read_from AND Time < read_to
            -- The table's key has the hash of the dimensions: granules of other functions are not read.
            AND cityHash64(Dimensions) IN
                (SELECT cityHash64(CAST(map('FunctionName', FunctionName), 'Map(LowCardinality(String), String)')) FROM watched)
            AND (AccountId, Region, FunctionName) IN (SELECT AccountId, Region, FunctionName FROM watched)
        GROUP BY AccountId, Region, FunctionName, minute
    ),
    -- Every minute from a consumer's first point to the last delivery, with or without a point.
    minutes AS
    (
        SELECT
            *,
            quantileExact(0.5)(age_ms) OVER of_consumer AS usual_age_ms,
            quantileExactIf(0.5)(duration_ms / durations, age_ms < 30000 AND durations > 0) OVER of_consumer AS usual_ms
        FROM (SELECT *, arrayJoin(range(first_minute, toUInt32(last_delivered + 60), 60)) AS minute FROM watched) AS every
        LEFT JOIN points USING (AccountId, Region, FunctionName, minute)
        WINDOW of_consumer AS (PARTITION BY AccountId, Region, FunctionName)
    ),
    around AS
    (
        SELECT
            *,
            isNotNull(age_ms) AS has_point,
            ifNull(invocations, 0.) AS ran,
            ifNull(errors, 0.) AS failed,
            ifNull(throttles, 0.) AS refused,
            maxIf(minute, has_point) OVER earlier AS point_before,
            argMaxIf(ifNull(age_ms, 0.), minute, has_point) OVER earlier AS age_before_ms,
            argMaxIf(ifNull(most_ms, 0.), minute, has_point) OVER earlier AS most_before_ms,
            maxIf(minute, refused > 0) OVER earlier AS refused_before,
            minIf(minute, refused > 0) OVER later AS refused_after,
            minIf(minute, has_point) OVER later AS point_after,
            argMinIf(ifNull(age_ms, 0.), minute, has_point) OVER later AS age_after_ms,
            argMinIf(duration_ms / durations, minute, durations > 0) OVER later AS mean_after_ms,
            sum(failed) OVER near AS failed_near,
            sum(ran) OVER near AS ran_near,
            sum(ran) OVER shortly AS ran_shortly,
            sum(refused) OVER shortly AS refused_shortly,
            sum(refused) OVER near AS refused_near,
            minIf(least_age_ms, has_point) OVER near AS least_age_near_ms,
            sum(ifNull(duration_ms, 0.)) OVER near AS duration_near_ms,
            sum(ifNull(durations, 0.)) OVER near AS durations_near,
            -- A record that hangs makes one shard slow, not all of them: of every shard's invocations the quickest counts,
            -- and the longest is left out of the mean, where there are others.
            minIf(least_ms, durations > 0) OVER near AS least_near_ms,
            maxIf(most_ms, durations > 0) OVER near AS most_near_ms,
            ifNull(if(durations > 1, (duration_ms - most_ms) / (durations - 1), duration_ms) >= 2.5 * usual_ms
                AND least_ms >= 0.8 * usual_ms, 0) AS is_slow,
            sum(ran) OVER hour AS ran_hour,
            sum(ran) OVER until_yesterday AS ran_until_yesterday,
            -- Seconds of age per second, by least squares over a quarter of an hour. Time is counted from the first minute:
            -- squares of seconds since 1970 leave no digits for their differences.
            countIf(has_point) OVER quarter AS points_of_quarter,
            simpleLinearRegressionIf(minute - first_minute, ifNull(age_ms, 0.) / 1000, has_point) OVER quarter AS fitted
        FROM minutes
        WINDOW
            earlier AS (PARTITION BY AccountId, Region, FunctionName ORDER BY minute
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
            later AS (PARTITION BY AccountId, Region, FunctionName ORDER BY minute DESC
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
            near AS (PARTITION BY AccountId, Region, FunctionName ORDER BY minute
                RANGE BETWEEN 180 PRECEDING AND 180 FOLLOWING),
            shortly AS (PARTITION BY AccountId, Region, FunctionName ORDER BY minute
                RANGE BETWEEN 240 PRECEDING AND CURRENT ROW),
            hour AS (PARTITION BY AccountId, Region, FunctionName ORDER BY minute
                RANGE BETWEEN 3540 PRECEDING AND CURRENT ROW),
            until_yesterday AS (PARTITION BY AccountId, Region, FunctionName ORDER BY minute
                RANGE BETWEEN UNBOUNDED PRECEDING AND 86400 PRECEDING),
            quarter AS (PARTITION BY AccountId, Region, FunctionName ORDER BY minute
                RANGE BETWEEN 900 PRECEDING AND CURRENT ROW)
    ),
    -- What is used more than once is a column of a query of its own, here and below: ClickHouse works an alias out anew
    -- wherever it stands.
    gaps AS
    (
        SELECT
            *,
            argMaxIf(ran_hour, minute, has_point) OVER earlier AS ran_hour_before,
            max(ran_until_yesterday) OVER of_consumer - argMaxIf(ran_until_yesterday, minute, has_point) OVER earlier AS ran_yesterday,
            if(point_after > 0, point_after, last_delivered + 60) - point_before - 60 AS gap_s,
            if(points_of_quarter > 1, fitted.1, NULL) AS slope,
            -- Nothing ran, and nothing was still running or turned away. What was turned away is tried again later and
            -- later: some minutes without an attempt beside throttles are no pause of the mapping.
            NOT has_point AND point_before > 0 AND ran = 0 AND refused = 0 AND ifNull(concurrency, 0.) = 0
                AND (refused_near = 0 OR gap_s > 600) AS is_idle
        FROM around
        WINDOW
            of_consumer AS (PARTITION BY AccountId, Region, FunctionName),
            earlier AS (PARTITION BY AccountId, Region, FunctionName ORDER BY minute
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ),
    measured AS
    (
        SELECT
            *,
            -- Invocations that the hour before the silence makes one expect in it, and what they say against chance: of n that
            -- come by chance in a time T, none comes in the time g after it with a probability of (1 + g / T) ^ -n.
            least(3600, greatest(1800, point_before + 60 - first_minute)) AS hour_before_s,
            ran_hour_before * gap_s / hour_before_s AS expected,
            ran_hour_before * log(1 + gap_s / hour_before_s) AS unlikely,
            -- Where it was idle, the first age after it tells whether records waited all the while: by more than they always
            -- wait for their batch to fill. It is that of the last record of a batch: where all that waited went into one of
            -- each shard, it is as old as the youngest record alone. Older than the minute in which it was read it was not
            -- invoked when it came, whatever came before it, and the rest of the silence was none by chance.
            is_idle AND gap_s >= 120 AND age_before_ms < 500 * gap_s AND age_after_ms <= 1000 * (gap_s + 120) + age_before_ms
                AND (age_after_ms >= 60000 AND age_after_ms >= 600 * gap_s + ifNull(usual_age_ms, 0)
                    OR point_after > 0 AND gap_s >= 300 AND unlikely >= 10 AND most_before_ms < 500 * gap_s
                        AND refused_before < point_before AND (refused_after = 0 OR refused_after > point_after)
                        AND age_after_ms >= greatest(75000 + ifNull(usual_age_ms, 0), 3 * ifNull(usual_age_ms, 0))) AS waited,
            -- A batching window makes records wait for up to five minutes, always: that is no lag.
            has_point AND age_ms >= 60000 AND (age_ms >= 3 * usual_age_ms OR usual_age_ms >= 330000) AS lags
        FROM gaps
    ),
    facts AS
    (
        SELECT
            *,
            -- A silence that is over tells by the age after it, above. One that goes on is told of where it comes by chance
            -- less than once in a thousand million times; and at the same time of the day before, when traffic was as far
            -- in its daily rise and fall, it did not. Where that day is not known, the hour must say twice as much.
            is_idle AND NOT waited AND point_after = 0 AND gap_s >= 300 AND unlikely >= 21
                AND if(point_before >= first_minute + 86400, ran_yesterday >= 20, unlikely >= 42)
                AND age_before_ms < 500 * gap_s AS is_silent
        FROM measured
    ),
    judged AS
    (
        SELECT
            *,
            duration_near_ms / nullIf(durations_near, 0) AS mean_near_ms,
            ifNull(if(durations_near > 1, (duration_near_ms - most_near_ms) / (durations_near - 1), duration_near_ms)
                >= 2.5 * usual_ms AND least_near_ms >= 0.8 * usual_ms, 0) AS is_slow_near,
            multiIf(
                waited, 'paused_mapping',
                is_silent, 'paused_mapping',
                refused > 0 AND refused >= ran AND (lags OR NOT has_point), 'throttled',
                (is_slow OR is_slow_near) AND has_point AND age_ms >= 5 * usual_age_ms AND age_ms >= 10000
                    AND minute - point_before < 600, 'slow_consumer',
                NOT lags, '',
                -- Those that ran were as quick as ever, and others were turned away meanwhile.
                refused_shortly > 0 AND 5 * refused_shortly >= ran_shortly, 'throttled',
                -- No older than the silence before it: what gathered then is worked off now.
                minute - point_before >= 180 AND (minute + 60 - point_before) * 1000 >= 0.9 * age_ms, 'catching_up',
                -- Something keeps failing, and other shards are up to date, or there is nothing else.
                age_ms >= age_before_ms AND failed_near > 0 AND least_age_near_ms < 0.2 * age_ms, 'poisoned_shard',
                age_ms >= age_before_ms AND failed_near >= 0.5 * ran_near, 'poisoned_shard',
                age_ms < age_before_ms, 'catching_up',
                'slow_consumer') AS first_cause
        FROM facts
    ),
    -- Lag has one cause until it is over: single minutes look like the other. Where few records come, one that has to wait for
    -- a slow consumer comes now and then: as long as invocations are slow, it goes on. A time in which nothing was invoked says
    -- nothing of that: the next one does, for up to half an hour.
    lagging AS
    (
        SELECT
            *,
            first_cause IN ('poisoned_shard', 'slow_consumer') AS is_lag,
            is_lag OR first_cause = '' AND has_point AND is_slow_near AS may_lag,
            maxIf(minute, may_lag AND is_slow_near) OVER earlier AS slow_before,
            may_lag AND minute - maxIf(minute, may_lag) OVER earlier > 360
                AND NOT (is_slow_near AND slow_before = point_before AND minute - slow_before <= 1800) AS lag_begins
        FROM judged
        WINDOW earlier AS (PARTITION BY AccountId, Region, FunctionName ORDER BY minute
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ),
    numbered AS
    (
        SELECT *, maxIf(minute, lag_begins) OVER (PARTITION BY AccountId, Region, FunctionName ORDER BY minute
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS lag_episode
        FROM lagging
    ),
    settled AS
    (
        SELECT
            *,
            countIf(first_cause = 'poisoned_shard') OVER of_episode AS poisoned,
            countIf(first_cause = 'slow_consumer') OVER of_episode AS slow,
            -- Ten minutes and eight invocations, four times as slow without the longest, are no chance.
            slow > 0 AND maxIf(minute, may_lag) OVER of_episode - minIf(minute, may_lag) OVER of_episode >= 600
                AND sumIf(durations, may_lag) OVER of_episode >= 8
                AND sumIf(duration_ms, may_lag) OVER of_episode - maxIf(most_ms, may_lag) OVER of_episode
                    >= 4 * usual_ms * (sumIf(durations, may_lag) OVER of_episode - 1) AS stays_slow,
            -- Over within three minutes, as after an invocation that hung and was tried again; or, where that is common, no
            -- older than by three of those: nothing is held up.
            is_lag AND NOT stays_slow AND (poisoned + slow <= 3
                AND maxIf(minute, is_lag) OVER of_episode - minIf(minute, is_lag) OVER of_episode <= 180
                AND argMaxIf(point_after, minute, is_lag) OVER of_episode > 0
                OR poisoned > slow AND ifNull(maxIf(age_ms, is_lag) OVER of_episode
                    < 3 * maxIf(most_near_ms, is_lag) OVER of_episode + usual_age_ms, 0)) AS is_passing,
            multiIf(
                NOT is_lag AND NOT (may_lag AND stays_slow AND poisoned <= slow
                    AND minute >= minIf(minute, may_lag AND is_slow) OVER of_episode), first_cause,
                is_passing, 'catching_up',
                poisoned > slow, 'poisoned_shard',
                'slow_consumer')
                AS raw_cause
        FROM numbered
        WINDOW of_episode AS (PARTITION BY AccountId, Region, FunctionName, lag_episode)
    ),
    turns AS
    (
        SELECT
            *,
            argMaxIf(raw_cause, minute, raw_cause != '') OVER earlier AS cause_before,
            maxIf(minute, raw_cause != '') OVER earlier AS caused_before,
            raw_cause != '' AND (raw_cause != cause_before
                OR minute - caused_before > if(raw_cause = 'slow_consumer' AND lag_episode <= caused_before, 1800, 360)) AS is_first,
            -- Not from a single slow one on, after which it gets four times as slow.
            ifNull(is_slow AND 4 * duration_ms / durations >= ifNull(mean_after_ms, 0), 0) AS is_slow_since,
            is_slow_since AND NOT argMaxIf(is_slow_since, minute, durations > 0) OVER earlier AS slows_down
        FROM settled
        WINDOW earlier AS (PARTITION BY AccountId, Region, FunctionName ORDER BY minute
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ),
    runs AS
    (
        SELECT
            *,
            maxIf(minute, is_first) OVER until_now AS run,
            maxIf(minute, slows_down) OVER until_now AS slow_since,
            -- When it began. A shard that stands still is as old as its standstill, whenever it is looked at.
            multiIf(
                raw_cause = 'poisoned_shard', toUInt32(greatest(0, minute + 60 - age_ms / 1000)),
                raw_cause = 'paused_mapping', toUInt32(point_before + 60),
                raw_cause = 'slow_consumer' AND slow_since > 0 AND slow_since >= minute + 60 - age_ms / 1000 - 7200,
                    slow_since,
                minute) AS began
        FROM turns
        WINDOW until_now AS (PARTITION BY AccountId, Region, FunctionName ORDER BY minute
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    ),
    dated AS
    (
        SELECT
            *,
            intDiv(minIf(assumeNotNull(began), raw_cause != '') OVER (PARTITION BY AccountId, Region, FunctionName, run), 60) * 60
                AS run_since
        FROM runs
    ),
    followed AS
    (
        SELECT
            *,
            argMinIf((raw_cause, run, run_since), minute, raw_cause != '') OVER (
                PARTITION BY AccountId, Region, FunctionName ORDER BY minute DESC
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS following
        FROM dated
    ),
    -- Minutes between two of one run belong to it, and so do those since it began.
    completed AS
    (
        SELECT
            *,
            multiIf(
                raw_cause != '', raw_cause,
                following.1 != '' AND (minute >= following.3 OR run = following.2), following.1,
                '') AS cause,
            if(raw_cause != '', run_since, following.3) AS since
        FROM followed
    )
-- end

-- define lag_time_to_loss
if(slope > 0.01 AND has_point, (retention - age_ms / 1000) / slope, NULL)
-- end

-- define lag_since
if(final_cause = '', NULL, toDateTime(if(cause = final_cause, since, minute), 'UTC'))
-- end

-- define lag_evidence
ifNull(multiIf(
        final_cause = 'paused_mapping' AND confidence = 'exact', 'the inventory has the mapping as disabled',
        final_cause = 'paused_mapping' AND waited,
            format('nothing was invoked for {} minutes, nothing was throttled, and records of {} minutes waited',
                toString(round(gap_s / 60)), toString(round(age_after_ms / 60000))),
        final_cause = 'paused_mapping',
            format('nothing was invoked for {} minutes, where {} invocations are usual, and nothing was throttled; or nothing was written',
                toString(round(gap_s / 60)), toString(round(expected))),
        final_cause = 'poisoned_shard',
            format('{} of {} invocations failed in 7 minutes; the oldest batch is {} s old and the youngest {} s',
                toString(round(failed_near)), toString(round(ran_near)), toString(round(age_ms / 1000)),
                toString(round(least_age_near_ms / 1000))),
        final_cause = 'slow_consumer' AND (is_slow OR is_slow_near),
            format('invocations take {} ms, where {} ms are usual',
                toString(round(greatest(mean_near_ms, ifNull(duration_ms / durations, 0)))), toString(round(usual_ms))),
        final_cause = 'slow_consumer', 'invocations succeed, and records come faster than they are worked off',
        final_cause = 'throttled',
            format('{} throttled and {} ran in 5 minutes', toString(round(refused_shortly)), toString(round(ran_shortly))),
        final_cause = 'catching_up' AND is_passing, 'it is over soon, as after an invocation that hung',
        final_cause = 'catching_up', 'the age falls',
        ''), '')
-- end

-- What the inventory says of the mapping comes first.
-- define lag_cause
if(NOT has_point AND mapping_state IN ('Disabled', 'Disabling'), 'paused_mapping', cause)
-- end

-- define lag_confidence
multiIf(
            final_cause = '', '',
            final_cause = 'paused_mapping' AND mapping_state IN ('Disabled', 'Disabling'), 'exact',
            final_cause = 'paused_mapping' AND NOT waited, 'possible',
            'likely')
-- end

-- define lag_mapping
arrayLast(one -> one.1 <= minute + 60, states).2 AS mapping_state,
                coalesce(nullIf(retention_s, 0), 86400) AS retention
-- end

CREATE OR REPLACE VIEW lambda_stream_lag_between AS
${lag_sources},
    (SELECT groupArray((AccountId, Region, FunctionName, first_minute, last_delivery)) FROM figures) AS watched_list,
    ${lag_of_watched}
SELECT
    AccountId,
    Region,
    FunctionName,
    Uuid,
    source_arn AS EventSourceArn,
    source_kind AS Kind,
    toDateTime(minute, 'UTC') AS Minute,
    multiIf(
        has_point, 'value',
        is_delivered OR (minute >= polled_from AND minute < polled_to), 'no_invocations',
        'no_delivery') AS State,
    age_ms AS IteratorAgeMs,
    least_age_ms AS LeastIteratorAgeMs,
    invoked_age_ms AS InvocationAgeMs,
    retention AS RetentionS,
    toUInt8(ifNull(retention_s, 0) > 0) AS RetentionKnown,
    age_ms / 1000 / retention AS RetentionShare,
    slope AS AgeSlope,
    ${lag_time_to_loss} AS TimeToLossS,
    polled AS RecordsPolled,
    invoked AS RecordsInvoked,
    failed_records AS RecordsFailed,
    dropped AS RecordsDropped,
    invocations AS Invocations,
    errors AS Errors,
    throttles AS Throttles,
    duration_ms / nullIf(durations, 0) AS MeanDurationMs,
    usual_ms AS UsualDurationMs,
    mapping_state AS MappingState,
    final_cause AS Cause,
    confidence AS Confidence,
    toUInt8(confidence IN ('likely', 'possible')) AS Inferred,
    ${lag_since} AS Since,
    ${lag_evidence} AS Evidence
FROM
(
    SELECT *, ${lag_confidence} AS confidence
    FROM
    (
        SELECT *, ${lag_cause} AS final_cause
        FROM
        (
            SELECT
                *,
                ${lag_mapping}
            FROM (SELECT * FROM completed WHERE minute * 1000 >= from_ms AND minute * 1000 < to_ms) AS c
            LEFT JOIN deliveries AS d USING (AccountId, Region, minute)
            LEFT JOIN polled AS p USING (AccountId, Region)
            LEFT JOIN mappings AS m USING (AccountId, Region, FunctionName)
            LEFT JOIN sources AS s USING (AccountId, Region, source_arn)
            LEFT JOIN
            (
                SELECT
                    AccountId,
                    Region,
                    Dimensions['EventSourceMappingUUID'] AS Uuid,
                    toUnixTimestamp(Time) AS minute,
                    maxIf(Sum, MetricName = 'PolledEventCount') AS polled,
                    maxIf(Sum, MetricName = 'InvokedEventCount') AS invoked,
                    maxIf(Sum, MetricName = 'FailedInvokeEventCount') AS failed_records,
                    maxIf(Sum, MetricName = 'DroppedEventCount') AS dropped
                FROM lambda_metrics
                WHERE MetricName IN ('PolledEventCount', 'InvokedEventCount', 'FailedInvokeEventCount', 'DroppedEventCount')
                    AND Namespace = 'AWS/Lambda' AND DimensionSet = 'EventSourceMappingUUID' AND PeriodS = 60
                    AND Time >= read_from AND Time < read_to
                GROUP BY AccountId, Region, Uuid, minute
            ) AS e USING (AccountId, Region, Uuid, minute)
            LEFT JOIN
            (
                SELECT
                    AccountId,
                    Region,
                    FunctionName,
                    toUnixTimestamp(toStartOfMinute(Start)) AS minute,
                    ifNull(EventSourceArn, '') AS source_arn,
                    max(IteratorAgeMs) AS invoked_age_ms
                FROM lambda_invocations_between(
                    from = fromUnixTimestamp64Milli(toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}), 'UTC'),
                    to = fromUnixTimestamp64Milli(toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}), 'UTC'))
                WHERE isNotNull(IteratorAgeMs)
                GROUP BY AccountId, Region, FunctionName, minute, source_arn
            ) AS i USING (AccountId, Region, FunctionName, minute, source_arn)
        )
    )
)
-- Looking for chains of comparisons takes longer than all else that is done with this text before it runs.
SETTINGS optimize_and_compare_chain = 0;

-- The same of all that is stored.
CREATE OR REPLACE VIEW lambda_stream_lag AS
SELECT * FROM lambda_stream_lag_between(from = '1970-01-01 00:00:00', to = '2106-01-01 00:00:00');

-- What held up the consumers of streams: the rows of lambda_stream_lag_between that have a cause, without the figures that
-- do not tell of it. Most consumers never lag: of those that cannot have a cause, every minute is left out. The jobs keep
-- these rows, a day at a time (0024_lambda_causes.sql).
CREATE OR REPLACE VIEW lambda_inferred_stream_causes AS
${lag_sources},
    (
        SELECT groupArray((AccountId, Region, FunctionName, first_minute, last_delivery))
        FROM figures
        -- The least of what `judged` asks of each cause. The hour before a silence that goes on lies within two hours of the
        -- clock: no fewer ran in those, so that it is no less `unlikely`.
        WHERE oldest_ms >= 10000 OR was_throttled OR last_delivery - last_minute >= 300
            AND (ran_by_hour[intDiv(last_minute, 3600)] + ran_by_hour[intDiv(last_minute, 3600) - 1])
                * log(1 + (last_delivery - last_minute) / least(3600, greatest(1800, last_minute + 60 - first_minute))) >= 21
            OR (AccountId, Region, FunctionName) IN (
                SELECT AccountId, Region, FunctionName
                FROM mappings
                WHERE arrayExists(one -> one.2 IN ('Disabled', 'Disabling'), states))
    ) AS watched_list,
    ${lag_of_watched}
SELECT
    AccountId,
    Region,
    FunctionName,
    Uuid,
    source_arn AS EventSourceArn,
    toDateTime(minute, 'UTC') AS Minute,
    age_ms AS IteratorAgeMs,
    ${lag_time_to_loss} AS TimeToLossS,
    final_cause AS Cause,
    confidence AS Confidence,
    assumeNotNull(${lag_since}) AS Since,
    ${lag_evidence} AS Evidence
FROM
(
    SELECT *, ${lag_confidence} AS confidence
    FROM
    (
        SELECT *, ${lag_cause} AS final_cause
        FROM
        (
            SELECT
                *,
                ${lag_mapping}
            FROM (SELECT * FROM completed WHERE minute * 1000 >= from_ms AND minute * 1000 < to_ms) AS c
            LEFT JOIN mappings AS m USING (AccountId, Region, FunctionName)
            LEFT JOIN sources AS s USING (AccountId, Region, source_arn)
        )
    )
    WHERE final_cause != ''
)
SETTINGS optimize_and_compare_chain = 0;
