-- Cold starts of each version of a function, and those of the version before it. Looks back a day further than asked for,
-- so that a release at the start of the window has something to be compared with.
SELECT
    AccountId, Region, FunctionName, FunctionVersion, RuntimeVersion,
    min(Start) AS FirstSeen,
    max(Start) AS LastSeen,
    count() AS ColdStarts,
    quantileExact(0.5)(coalesce(RestoreDurationMs, InitDurationMs)) AS P50Ms,
    lagInFrame(P50Ms) OVER before AS BeforeP50Ms,
    lagInFrame(ColdStarts) OVER before AS BeforeColdStarts,
    lagInFrame(FunctionVersion) OVER before AS BeforeVersion,
    lagInFrame(RuntimeVersion) OVER before AS BeforeRuntime
FROM
(
    SELECT *, ifNull(RuntimeVersion, '') AS RuntimeVersion
    FROM lambda_invocations_between(
        from = {from:DateTime64(3, 'UTC')} - toIntervalDay(1), to = {to:DateTime64(3, 'UTC')})
)
WHERE ColdStart AND isNotNull(coalesce(RestoreDurationMs, InitDurationMs))
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region, FunctionName, FunctionVersion, RuntimeVersion
WINDOW before AS (PARTITION BY AccountId, Region, FunctionName ORDER BY FirstSeen ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
ORDER BY FunctionName, FirstSeen
