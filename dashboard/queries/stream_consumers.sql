-- One row per consumer of a stream: how old its records got, against their retention, and what likely held them up.
SELECT
    AccountId, Region, FunctionName, EventSourceArn, any(Kind) AS StreamKind,
    max(IteratorAgeMs) AS MaxAgeMs,
    argMaxIf(IteratorAgeMs, Minute, isNotNull(IteratorAgeMs)) AS LastAgeMs,
    maxIf(Minute, isNotNull(IteratorAgeMs)) AS LastMinute,
    max(IteratorAgeMs) / 1000 / any(RetentionS) AS WorstShare,
    any(RetentionS) AS Retention_s,
    any(RetentionKnown) AS IsRetentionKnown,
    if(LastAgeMs >= 60000, argMaxIf(tuple(TimeToLossS), Minute, isNotNull(IteratorAgeMs)).1, NULL) AS TimeToLoss_s,
    argMaxIf((Cause, Confidence, Since, Evidence), (Cause NOT IN ('', 'catching_up'), ifNull(IteratorAgeMs, 0)), Cause != '') AS worst,
    worst.1 AS WorstCause,
    worst.2 AS WorstConfidence,
    worst.3 AS WorstSince,
    worst.4 AS WorstEvidence,
    argMax(MappingState, Minute) AS LastState,
    {from:DateTime64(3, 'UTC')} AS AgeBegin,
    greatest(1, dateDiff('second', {from:DateTime64(3, 'UTC')}, {to:DateTime64(3, 'UTC')})) / 48 AS AgeStep_s,
    arrayMap(part -> ifNull(maxMap(map(at, round(IteratorAgeMs / 1000)))[toUInt8(part)], 0), range(48)) AS Ages
FROM
(
    SELECT
        *,
        toUInt8(least(47, intDiv(dateDiff('second', {from:DateTime64(3, 'UTC')}, Minute) * 48,
            greatest(1, dateDiff('second', {from:DateTime64(3, 'UTC')}, {to:DateTime64(3, 'UTC')}))))) AS at
    FROM lambda_stream_lag_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
)
WHERE true
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY AccountId, Region, FunctionName, EventSourceArn
ORDER BY WorstCause IN ('', 'catching_up'), WorstShare DESC
LIMIT 200
