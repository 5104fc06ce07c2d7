-- The views of 0014_lambda_activity.sql where all of the time has rollups that hold. Which do is looked for in parts of a time otherwise,
-- and the invocations of open minutes are planned to be read even where there are none, which both takes longer than to read a week
-- of rollups. Who asks has to know that nothing is open, and asks about whole minutes.

-- Days and hours that lie within the range, where buckets are whole ones of those: of the rest of it, the next finer ones.
-- define held_range
{bucket_s:UInt32} AS bucket_s,
    ${range},
    intDiv(from_ms + 3599999, 3600000) * 3600000 AS hours_from_ms,
    if(bucket_s % 3600 = 0, greatest(hours_from_ms, intDiv(to_ms, 3600000) * 3600000), hours_from_ms) AS hours_to_ms,
    intDiv(from_ms + 86399999, 86400000) * 86400000 AS days_from_ms,
    if(bucket_s % 86400 = 0, greatest(days_from_ms, intDiv(to_ms, 86400000) * 86400000), days_from_ms) AS days_to_ms
-- end

-- define rollups_of_range
FROM lambda_rollups
    WHERE (PeriodS, Time, Version) GLOBAL IN
    (
        SELECT PeriodS, Time, max(Computed)
        FROM lambda_rollup_state
        WHERE Time >= fromUnixTimestamp64Milli(from_ms, 'UTC') AND Time < fromUnixTimestamp64Milli(to_ms, 'UTC')
            AND (Time >= fromUnixTimestamp64Milli(hours_from_ms, 'UTC') AND Time < fromUnixTimestamp64Milli(hours_to_ms, 'UTC'))
                = (PeriodS > 60)
            AND (Time >= fromUnixTimestamp64Milli(days_from_ms, 'UTC') AND Time < fromUnixTimestamp64Milli(days_to_ms, 'UTC'))
                = (PeriodS > 3600)
        GROUP BY PeriodS, Time
    )
-- end

-- define that_began
${rollups_of_range}
    AND Invocations > 0
) AS r
GROUP BY AccountId, Region, FunctionName, FunctionVersion, Bucket
-- end

CREATE OR REPLACE VIEW lambda_counts_held AS
WITH
    ${held_range}
${counts}
FROM
(
    SELECT ${columns_of_counts}
    ${that_began};

CREATE OR REPLACE VIEW lambda_inits_held AS
WITH
    ${held_range}
${inits}
FROM
(
    SELECT ${columns_of_inits}
    ${that_began};

CREATE OR REPLACE VIEW lambda_concurrency_held AS
WITH
    ${held_range}
${concurrency}
    FROM
    (
        SELECT ${columns_of_concurrency}
        ${rollups_of_range}
    ) AS r
    GROUP BY AccountId, Region, FunctionName, FunctionVersion, Bucket
) AS b
WHERE Peak > 0;

CREATE OR REPLACE VIEW lambda_concurrency_peaks_held AS
WITH
    ${held_range},
    ${peaks}
FROM
(
    SELECT ${columns_of_peaks}
    ${rollups_of_range}
) AS r
GROUP BY AccountId, Region, FunctionName
HAVING Peak > 0;
