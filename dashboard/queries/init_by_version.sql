-- Cold starts of each version of a function, and those of the version before it. Looks back a day further than asked for,
-- so that a release at the start of the window has something to be compared with.
WITH
    -- Invocations are read one by one: all of six hours, and of what is before the newest million or so. The hour from which
    -- on there are more, after the rollups.
    (
        SELECT max(Time)
        FROM
        (
            SELECT Time, sum(sum(Invocations)) OVER (ORDER BY Time DESC) AS newer
            FROM lambda_rollups
            WHERE PeriodS = 3600 AND Time >= {from:DateTime64(3, 'UTC')} - toIntervalDay(1) AND Time < {to:DateTime64(3, 'UTC')} AND FunctionName != '*'
                AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
                AND ({account:String} = '' OR AccountId = {account:String})
                AND ({region:String} = '' OR Region = {region:String})
            GROUP BY Time
        )
        WHERE newer > 1000000
    ) AS too_many_at,
    greatest({from:DateTime64(3, 'UTC')} - toIntervalDay(1),
        least(greatest({from:DateTime64(3, 'UTC')}, {to:DateTime64(3, 'UTC')} - toIntervalHour(6)), toDateTime64(too_many_at, 3, 'UTC') + toIntervalHour(1))) AS read_from
SELECT
    AccountId, Region, FunctionName, FunctionVersion, RuntimeVersion,
    min(Start) AS FirstSeen,
    max(Start) AS LastSeen,
    count() AS ColdStarts,
    quantileExact(0.5)(coalesce(RestoreDurationMs, InitDurationMs)) AS P50Ms,
    min(coalesce(RestoreDurationMs, InitDurationMs)) AS LeastMs,
    max(coalesce(RestoreDurationMs, InitDurationMs)) AS MostMs,
    exp(avg(log(coalesce(RestoreDurationMs, InitDurationMs)))) AS TypicalMs,
    lagInFrame(P50Ms) OVER before AS BeforeP50Ms,
    lagInFrame(MostMs) OVER before AS BeforeMostMs,
    lagInFrame(TypicalMs) OVER before AS BeforeTypicalMs,
    lagInFrame(ColdStarts) OVER before AS BeforeColdStarts,
    lagInFrame(FunctionVersion) OVER before AS BeforeVersion,
    lagInFrame(RuntimeVersion) OVER before AS BeforeRuntime,
    greatest(read_from, {from:DateTime64(3, 'UTC')}) AS Since
FROM
(
    SELECT *, ifNull(RuntimeVersion, '') AS RuntimeVersion
    FROM lambda_invocations_between(
        from = {from:DateTime64(3, 'UTC')} - toIntervalDay(1), to = {to:DateTime64(3, 'UTC')})
)
WHERE Start >= read_from AND toStartOfHour(Start, 'UTC') >= toStartOfHour(read_from, 'UTC') AND ColdStart AND isNotNull(coalesce(RestoreDurationMs, InitDurationMs))
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region, FunctionName, FunctionVersion, RuntimeVersion
WINDOW before AS (PARTITION BY AccountId, Region, FunctionName ORDER BY FirstSeen ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
ORDER BY FunctionName, FirstSeen
