-- What invocations_summary (Of = 'all'), invocations_percentiles ('bucket') and invocations_histogram ('bin') say of the chosen
-- invocations, which are read once for all three. Took is how many of them have a duration.
WITH
    -- include read_from
SELECT
    multiIf(grouping(AtBucket) = 1 AND grouping(InBin) = 1, 'all', grouping(AtBucket) = 0, 'bucket', 'bin') AS Of,
    AtBucket AS Bucket, InBin AS Bin, Ended AS Outcome,
    sum(n) AS Invocations,
    sum(took) AS Took,
    sum(failed) AS Failed,
    sum(cold) AS ColdStarts,
    quantilesExactMerge(0.5, 0.95, 0.99)(durations) AS quantiles,
    quantiles[1] AS P50Ms,
    quantiles[2] AS P95Ms,
    quantiles[3] AS P99Ms,
    max(longest) AS MaxMs,
    sum(billed_mb_ms) / 1024000 AS BilledGBs,
    uniqExactMerge(sandboxes) AS Sandboxes,
    read_from AS Since
FROM
(
    SELECT
        toDateTime(intDiv(toUnixTimestamp(Start), {bucket_s:UInt32}) * {bucket_s:UInt32}, 'UTC') AS AtBucket,
        toInt32(floor(8 * log10(greatest(ifNull(DurationMs, 0), 0.001)))) AS InBin,
        if(coalesce(Status, '') IN ('', 'success'), 'succeeded', 'failed') AS Ended,
        count() AS n,
        countIf(isNotNull(DurationMs)) AS took,
        countIf(Status NOT IN ('', 'success')) AS failed,
        countIf(ColdStart) AS cold,
        quantilesExactStateIf(0.5, 0.95, 0.99)(assumeNotNull(DurationMs), isNotNull(DurationMs)) AS durations,
        max(DurationMs) AS longest,
        sum(BilledDurationMs * MemorySizeMB) AS billed_mb_ms,
        uniqExactState(cityHash64(InstanceId)) AS sandboxes
    FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
    WHERE Start >= read_from AND toStartOfHour(Start, 'UTC') >= toStartOfHour(read_from, 'UTC') AND Start < {to:DateTime64(3, 'UTC')}
        -- include chosen_invocations
    GROUP BY AtBucket, InBin, Ended
)
GROUP BY GROUPING SETS ((), (AtBucket), (InBin, Ended))
ORDER BY Of, Bucket, Bin, Outcome
