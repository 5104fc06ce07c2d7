-- The longest invocation against the function's timeout, which the inventory knows.
SELECT
    AccountId,
    Region,
    FunctionName,
    max(DurationMs) / nullIf(1000 * any(timeout_s), 0) AS Value,
    toFloat64(count()) AS Traffic
FROM lambda_invocations
INNER JOIN
(
    SELECT Region, FunctionName, argMax(TimeoutS, PolledAt) AS timeout_s
    FROM lambda_functions
    GROUP BY Region, FunctionName
) AS configured USING (Region, FunctionName)
WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
GROUP BY AccountId, Region, FunctionName;
