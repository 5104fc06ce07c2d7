-- Milliseconds of each init phase per function: mean, so that the parts add up, and percentiles of each.
SELECT
    FunctionName, Phase,
    count() AS Count,
    sum(DurationMs) AS TotalMs,
    avg(DurationMs) AS MeanMs,
    quantileExact(0.5)(DurationMs) AS P50Ms,
    quantileExact(0.95)(DurationMs) AS P95Ms,
    max(DurationMs) AS MaxMs
FROM lambda_phases
WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
    AND Phase IN ('init', 'extension_init', 'runtime_init', 'function_init', 'runtime_and_function_init', 'restore')
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY FunctionName, Phase
ORDER BY FunctionName, Phase
