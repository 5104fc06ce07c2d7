-- Milliseconds of each init phase per function: mean, so that the parts add up, and percentiles of each. Of the last day of
-- the window: to read the attributes of a week's spans takes seconds.
SELECT
    FunctionName,
    toString(SpanName) AS Phase,
    count() AS Count,
    sum(Duration) / 1e6 AS TotalMs,
    avg(Duration) / 1e6 AS MeanMs,
    quantileExact(0.5)(Duration) / 1e6 AS P50Ms,
    quantileExact(0.95)(Duration) / 1e6 AS P95Ms,
    max(Duration) / 1e6 AS MaxMs
FROM
(
    SELECT ResourceAttributes['faas.name'] AS FunctionName, SpanName, Duration
    FROM otel_traces
    WHERE ScopeName = 'lambdascope'
        -- include init_spans
    UNION ALL
    -- The layer's own are phases. What others call so has to say that it is one, in attributes that take as long to read as all else.
    SELECT ResourceAttributes['faas.name'] AS FunctionName, SpanName, Duration
    FROM otel_traces
    WHERE ScopeName != 'lambdascope' AND SpanAttributes['lambda.phase'] = SpanName
        -- include init_spans
)
GROUP BY FunctionName, Phase
ORDER BY FunctionName, Phase
