-- Days until the runtime of a function is deprecated, by the dated list of runtimes.
SELECT AccountId, Region, FunctionName, Runtime, toFloat64(dateDiff('day', toDate({to:DateTime64(3, 'UTC')}), deprecated_on)) AS Value
FROM
(
    SELECT AccountId, Region, FunctionName, argMax(Runtime, PolledAt) AS Runtime
    FROM lambda_functions
    WHERE PolledAt < {to:DateTime64(3, 'UTC')}
    GROUP BY AccountId, Region, FunctionName
) AS functions
INNER JOIN
(
    SELECT Runtime, assumeNotNull(DeprecationDate) AS deprecated_on
    FROM lambda_runtimes
    WHERE isNotNull(DeprecationDate)
) AS dated USING (Runtime);
