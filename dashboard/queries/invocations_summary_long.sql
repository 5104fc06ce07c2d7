-- invocations_summary of more than six hours, where nothing is chosen that the rollups do not know. Percentiles are those of
-- their bins, which are 1.5 % wide: in the middle of a bin.
-- rollups: of the window
WITH pow(1.015, -0.5) AS half_bin
SELECT
    Invocations, Failed, ColdStarts,
    if(known = 0, nan, pow(1.015, keys[arrayFirstIndex(n -> n > 0.5 * known, below)]) * half_bin) AS P50Ms,
    if(known = 0, nan, pow(1.015, keys[arrayFirstIndex(n -> n > 0.95 * known, below)]) * half_bin) AS P95Ms,
    if(known = 0, nan, pow(1.015, keys[arrayFirstIndex(n -> n > 0.99 * known, below)]) * half_bin) AS P99Ms,
    MaxMs, BilledGBs,
    {from:DateTime64(3, 'UTC')} AS Since
FROM
(
    SELECT
        sum(a.Invocations) AS Invocations,
        sum(a.Failed) AS Failed,
        sum(a.ColdStarts) AS ColdStarts,
        sum(a.Durations) AS known,
        sumMap(a.DurationBins) AS bins,
        mapKeys(bins) AS keys,
        arrayCumSum(mapValues(bins)) AS below,
        max(a.MaxDurationNs) / 1e6 AS MaxMs,
        sum(arraySum(mapValues(a.BilledMBMs))) / 1024000 AS BilledGBs
    FROM lambda_counts(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = 0) AS a
    WHERE FunctionVersion = '' AND if(empty({functions:Array(String)}), FunctionName = '*', has({functions:Array(String)}, FunctionName))
        AND ({account:String} = '' OR AccountId = {account:String})
        AND ({region:String} = '' OR Region = {region:String})
)
