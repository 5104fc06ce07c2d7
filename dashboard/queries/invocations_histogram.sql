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
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
    AND ({status:String} = '' OR Status = {status:String} OR ({status:String} = 'failed' AND Status NOT IN ('', 'success')))
    AND (NOT {cold_only:UInt8} OR ColdStart)
    AND ({min_ms:Float64} = 0 OR DurationMs >= {min_ms:Float64})
    AND ({request:String} = '' OR startsWith(RequestId, {request:String}))
    AND ({at:DateTime64(3, 'UTC')} = toDateTime64(0, 3, 'UTC')
        OR (toDateTime64(BusyStart, 3, 'UTC') <= {until:DateTime64(3, 'UTC')}
            AND coalesce(toDateTime64(End, 3, 'UTC'), now64(3, 'UTC')) > {at:DateTime64(3, 'UTC')}))
GROUP BY Bin, Outcome
ORDER BY Bin, Outcome
