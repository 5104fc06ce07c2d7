-- init_by_version of more than six hours, from the rollups, which do not know versions of runtimes: releases alone.
-- rollups: of the window and 86400 s before it
WITH pow(1.015, -0.5) AS half_bin
SELECT
    AccountId, Region, FunctionName, FunctionVersion, '' AS RuntimeVersion, FirstSeen, LastSeen, ColdStarts,
    pow(1.015, keys[arrayFirstIndex(n -> n > 0.5 * waited, below)]) * half_bin AS P50Ms,
    pow(1.015, keys[1]) * half_bin AS LeastMs,
    pow(1.015, keys[-1]) * half_bin AS MostMs,
    pow(1.015, arraySum((key, n) -> key * n, keys, counts) / waited) * half_bin AS TypicalMs,
    lagInFrame(P50Ms) OVER before AS BeforeP50Ms,
    lagInFrame(MostMs) OVER before AS BeforeMostMs,
    lagInFrame(TypicalMs) OVER before AS BeforeTypicalMs,
    lagInFrame(ColdStarts) OVER before AS BeforeColdStarts,
    lagInFrame(FunctionVersion) OVER before AS BeforeVersion,
    '' AS BeforeRuntime,
    {from:DateTime64(3, 'UTC')} AS Since
FROM
(
    SELECT
        AccountId, Region, FunctionName, FunctionVersion,
        FirstStart AS FirstSeen, LastStart AS LastSeen, Inits AS ColdStarts,
        Inits AS waited,
        mapKeys(InitBins) AS keys,
        mapValues(InitBins) AS counts,
        arrayCumSum(counts) AS below
    FROM lambda_inits(from = {from:DateTime64(3, 'UTC')} - toIntervalDay(1), to = {to:DateTime64(3, 'UTC')}, bucket_s = 0)
    WHERE FunctionName != '*' AND FunctionVersion != '' AND Inits > 0
        AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
        AND ({account:String} = '' OR AccountId = {account:String})
        AND ({region:String} = '' OR Region = {region:String})
)
WINDOW before AS (PARTITION BY AccountId, Region, FunctionName ORDER BY FirstSeen ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
ORDER BY FunctionName, FirstSeen
