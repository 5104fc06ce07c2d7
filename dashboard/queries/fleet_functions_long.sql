-- One row per function, and one for all of them together (IsTotal = 1): what happened in the window,
-- and in the window of the same length before it. Parts are the invocations in 30 equal parts of the window.
-- Percentiles are those of the rollups' bins, which are 1.5 % wide: in the middle of a bin.
-- rollups: of the window and span_s s before it, or fleet_functions_held
WITH
    {from:DateTime64(3, 'UTC')} AS begin,
    pow(1.015, -0.5) AS half_bin,
    counted AS
    (
        SELECT
            AccountId, Region, FunctionName AS Named, true AS is_now, Invocations AS invocations, Failed AS failed,
            TimedOut AS timed_out, ColdStarts AS cold_starts, Durations AS durations, DurationBins AS bins,
            MaxMemoryShare AS memory_share, FirstStart AS first_start, LastStart AS last_start,
            CAST([], 'Array(UInt8)') AS part_keys, CAST([], 'Array(UInt64)') AS part_counts
        FROM lambda_counts(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = 0)
        WHERE FunctionName != '*' AND FunctionVersion = ''
        UNION ALL
        SELECT
            AccountId, Region, FunctionName, false, Invocations, Failed, TimedOut, ColdStarts, Durations, DurationBins,
            MaxMemoryShare, FirstStart, LastStart, [], []
        FROM lambda_counts(
            from = {from:DateTime64(3, 'UTC')} - toIntervalSecond({span_s:UInt32}),
            to = {from:DateTime64(3, 'UTC')}, bucket_s = 0)
        WHERE FunctionName != '*' AND FunctionVersion = ''
        UNION ALL
        SELECT
            AccountId, Region, FunctionName, true, 0, 0, 0, 0, 0, map(), 0, toDateTime64(0, 3, 'UTC'),
            toDateTime64(0, 3, 'UTC'),
            [part], [in_part]
        FROM
        (
            SELECT
                AccountId, Region, FunctionName, sum(c.Invocations) AS in_part,
                toUInt8(least(29, greatest(0, intDiv(dateDiff('millisecond', begin, Bucket) * 30, {span_s:UInt32} * 1000)))) AS part
            FROM lambda_counts(
                from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')},
                bucket_s = multiIf({span_s:UInt32} <= 3600, 1, {span_s:UInt32} <= 86400, 60, 3600)) AS c
            WHERE FunctionName != '*' AND FunctionVersion = ''
            GROUP BY AccountId, Region, FunctionName, part
        )
    )
-- include fleet_of_counted
