-- invocations_percentiles of more than six hours, where nothing is chosen that the rollups do not know. Percentiles are those
-- of their bins, which are 1.5 % wide: in the middle of a bin.
-- rollups: of the window
WITH pow(1.015, -0.5) AS half_bin
SELECT
    Bucket,
    known AS Invocations,
    pow(1.015, keys[arrayFirstIndex(n -> n > 0.5 * known, below)]) * half_bin AS P50Ms,
    pow(1.015, keys[arrayFirstIndex(n -> n > 0.95 * known, below)]) * half_bin AS P95Ms,
    pow(1.015, keys[arrayFirstIndex(n -> n > 0.99 * known, below)]) * half_bin AS P99Ms,
    {from:DateTime64(3, 'UTC')} AS Since
FROM
(
    SELECT
        toDateTime(c.Bucket, 'UTC') AS Bucket,
        sum(c.Durations) AS known,
        sumMap(c.DurationBins) AS bins,
        mapKeys(bins) AS keys,
        arrayCumSum(mapValues(bins)) AS below
    FROM lambda_counts(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = {bucket_s:UInt32}) AS c
    WHERE FunctionVersion = '' AND if(empty({functions:Array(String)}), FunctionName = '*', has({functions:Array(String)}, FunctionName))
        AND ({account:String} = '' OR AccountId = {account:String})
        AND ({region:String} = '' OR Region = {region:String})
    GROUP BY Bucket
)
WHERE known > 0
ORDER BY Bucket
