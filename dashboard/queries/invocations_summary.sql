-- The figures over the chosen invocations.
WITH
    -- include read_from
SELECT
    count() AS Invocations,
    countIf(Status NOT IN ('', 'success')) AS Failed,
    countIf(ColdStart) AS ColdStarts,
    quantileExact(0.5)(DurationMs) AS P50Ms,
    quantileExact(0.95)(DurationMs) AS P95Ms,
    quantileExact(0.99)(DurationMs) AS P99Ms,
    max(DurationMs) AS MaxMs,
    sum(BilledDurationMs * MemorySizeMB) / 1024000 AS BilledGBs,
    uniqExact(InstanceId) AS Sandboxes,
    read_from AS Since
FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE Start >= read_from AND toStartOfHour(Start, 'UTC') >= toStartOfHour(read_from, 'UTC') AND Start < {to:DateTime64(3, 'UTC')}
    -- include chosen_invocations
