-- fleet_functions_long where all rollups hold: two readings of them, of the longest that lie within the windows for what is added
-- up, and of those that a part is made of. To ask lambda_counts_held thrice took as long again to plan.
WITH
    {from:DateTime64(3, 'UTC')} AS begin,
    {to:DateTime64(3, 'UTC')} AS end,
    begin - toIntervalSecond({span_s:UInt32}) AS earliest,
    toUInt32(if({span_s:UInt32} <= 86400, 60, 3600)) AS part_s,
    toStartOfInterval(begin, toIntervalSecond(part_s)) AS first_part,
    pow(1.015, -0.5) AS half_bin,
    counted AS
    (
        SELECT
            AccountId, Region, FunctionName AS Named, Time >= begin AS is_now,
            sum(Invocations) AS invocations, sum(r.Failed) AS failed, sum(r.TimedOut) AS timed_out, sum(r.ColdStarts) AS cold_starts,
            sum(r.Durations) AS durations, sumMap(r.DurationBins) AS bins, max(r.MaxMemoryShare) AS memory_share,
            min(r.FirstStart) AS first_start, max(r.LastStart) AS last_start,
            CAST([], 'Array(UInt8)') AS part_keys, CAST([], 'Array(UInt64)') AS part_counts
        FROM lambda_rollups AS r
        WHERE FunctionName != '*' AND Invocations > 0 AND (PeriodS, Time, Version) GLOBAL IN
        (
            WITH
                if(Time >= begin, begin, earliest) AS from, if(Time >= begin, end, begin) AS to,
                toStartOfDay(Time) AS day, toStartOfHour(Time) AS hour
            SELECT PeriodS, Time, max(Computed)
            FROM lambda_rollup_state
            WHERE Time >= earliest AND Time < end AND PeriodS = multiIf(
                day >= from AND day + toIntervalDay(1) <= to, 86400, hour >= from AND hour + toIntervalHour(1) <= to, 3600, 60)
            GROUP BY PeriodS, Time
        )
        GROUP BY AccountId, Region, Named, is_now
        UNION ALL
        SELECT
            AccountId, Region, Named, true, 0, 0, 0, 0, 0, map(), 0, toDateTime64(0, 3, 'UTC'), toDateTime64(0, 3, 'UTC'),
            [part], [in_part]
        FROM
        (
            SELECT
                AccountId, Region, FunctionName AS Named, sum(Invocations) AS in_part,
                toUInt8(least(29, greatest(0, intDiv(dateDiff('millisecond', begin, Time) * 30, {span_s:UInt32} * 1000)))) AS part
            FROM lambda_rollups
            WHERE FunctionName != '*' AND Invocations > 0 AND PeriodS = part_s AND Time >= first_part AND Time < end
                AND (Time, Version) GLOBAL IN
                (
                    SELECT Time, max(Computed)
                    FROM lambda_rollup_state
                    WHERE PeriodS = part_s AND Time >= first_part AND Time < end
                    GROUP BY Time
                )
            GROUP BY AccountId, Region, Named, part
        )
    )
-- include fleet_of_counted
