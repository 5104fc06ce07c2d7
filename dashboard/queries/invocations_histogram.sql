-- How long the chosen invocations took: eight bins for each factor of ten. Bin n covers [10^(n/8), 10^((n+1)/8)) ms.
WITH
    -- include read_from
SELECT
    toInt32(floor(8 * log10(greatest(assumeNotNull(DurationMs), 0.001)))) AS Bin,
    if(coalesce(Status, '') IN ('', 'success'), 'succeeded', 'failed') AS Outcome,
    count() AS Invocations,
    read_from AS Since
FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE Start >= read_from AND toStartOfHour(Start, 'UTC') >= toStartOfHour(read_from, 'UTC') AND Start < {to:DateTime64(3, 'UTC')} AND DurationMs IS NOT NULL
    -- include chosen_invocations
GROUP BY Bin, Outcome
ORDER BY Bin, Outcome
