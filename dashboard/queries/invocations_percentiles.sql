-- Duration of the chosen invocations per bucket. Only those that took place count: there is no zero in it.
WITH
    -- include read_from
SELECT
    toDateTime(intDiv(toUnixTimestamp(Start), {bucket_s:UInt32}) * {bucket_s:UInt32}, 'UTC') AS Bucket,
    count() AS Invocations,
    quantileExact(0.5)(DurationMs) AS P50Ms,
    quantileExact(0.95)(DurationMs) AS P95Ms,
    quantileExact(0.99)(DurationMs) AS P99Ms,
    read_from AS Since
FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE Start >= read_from AND toStartOfHour(Start, 'UTC') >= toStartOfHour(read_from, 'UTC') AND Start < {to:DateTime64(3, 'UTC')} AND DurationMs IS NOT NULL
    -- include chosen_invocations
GROUP BY Bucket
ORDER BY Bucket
