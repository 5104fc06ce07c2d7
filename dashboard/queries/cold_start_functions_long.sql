-- cold_start_functions of more than six hours, from the rollups, which do not know types of initialization. Percentiles are
-- those of their bins, which are 1.5 % wide: in the middle of a bin.
-- rollups: of the window
WITH pow(1.015, -0.5) AS half_bin
SELECT
    AccountId, Region, FunctionName, '' AS InitType, Invocations, ColdStarts, ProactiveInits,
    if(waited = 0, nan, pow(1.015, keys[arrayFirstIndex(n -> n > 0.5 * waited, below)]) * half_bin) AS P50Ms,
    if(waited = 0, nan, pow(1.015, keys[arrayFirstIndex(n -> n > 0.95 * waited, below)]) * half_bin) AS P95Ms,
    if(waited = 0, nan, pow(1.015, keys[arrayFirstIndex(n -> n > 0.99 * waited, below)]) * half_bin) AS P99Ms,
    WaitedS,
    {from:DateTime64(3, 'UTC')} AS Since
FROM
(
    SELECT
        AccountId, Region, FunctionName, Invocations, ColdStarts, ProactiveInits,
        Inits AS waited, InitNs / 1e9 AS WaitedS,
        mapKeys(InitBins) AS keys,
        arrayCumSum(mapValues(InitBins)) AS below
    FROM lambda_inits(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = 0)
    WHERE FunctionName != '*' AND FunctionVersion = '' AND (ColdStarts > 0 OR ProactiveInits > 0)
        AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
        AND ({account:String} = '' OR AccountId = {account:String})
        AND ({region:String} = '' OR Region = {region:String})
)
ORDER BY ColdStarts DESC, FunctionName
