-- Spans per bucket and function, as the layer sent them.
SELECT
    toDateTime(intDiv(toUnixTimestamp(Timestamp), {bucket_s:UInt32}) * {bucket_s:UInt32}, 'UTC') AS Bucket,
    ServiceName AS FunctionName,
    count() AS Rows
FROM otel_traces
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, ServiceName))
GROUP BY Bucket, FunctionName
ORDER BY Bucket, FunctionName
