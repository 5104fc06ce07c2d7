-- Milliseconds of each init phase per function: mean, so that the parts add up, and percentiles of each. Of the last day of
-- the window: to read the attributes of a week's spans takes seconds.
SELECT
    ResourceAttributes['faas.name'] AS FunctionName,
    toString(SpanName) AS Phase,
    count() AS Count,
    sum(Duration) / 1e6 AS TotalMs,
    avg(Duration) / 1e6 AS MeanMs,
    quantileExact(0.5)(Duration) / 1e6 AS P50Ms,
    quantileExact(0.95)(Duration) / 1e6 AS P95Ms,
    max(Duration) / 1e6 AS MaxMs
FROM otel_traces
WHERE Timestamp >= greatest({from:DateTime64(3, 'UTC')}, {to:DateTime64(3, 'UTC')} - toIntervalDay(1))
    AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND SpanName IN ('init', 'extension_init', 'runtime_init', 'function_init', 'runtime_and_function_init', 'restore')
    AND SpanAttributes['lambda.phase'] = SpanName
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR ResourceAttributes['cloud.account.id'] = {account:String})
    AND ({region:String} = '' OR ResourceAttributes['cloud.region'] = {region:String})
GROUP BY FunctionName, Phase
ORDER BY FunctionName, Phase
