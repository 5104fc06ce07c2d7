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
