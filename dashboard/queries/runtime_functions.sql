-- Functions by runtime with the dates on which it ends, those that are used and end soonest first.
SELECT
    functions.Runtime AS Runtime, functions.FunctionName AS FunctionName,
    functions.AccountId AS AccountId, functions.Region AS Region,
    runtimes.DeprecationDate AS DeprecationDate, runtimes.BlockCreateDate AS BlockCreateDate,
    runtimes.BlockUpdateDate AS BlockUpdateDate, runtimes.Successor AS Successor,
    if(isNull(runtimes.DeprecationDate), NULL, dateDiff('day', toDate({to:DateTime64(3, 'UTC')}), runtimes.DeprecationDate))
        AS DaysLeft,
    used.Invocations AS Invocations
FROM
(
    SELECT AccountId, Region, FunctionName, argMax(toString(Runtime), PolledAt) AS Runtime
    FROM lambda_functions
    GROUP BY AccountId, Region, FunctionName
    HAVING Runtime != ''
) AS functions
LEFT JOIN lambda_runtimes AS runtimes ON runtimes.Runtime = functions.Runtime
LEFT JOIN
(
    SELECT AccountId, Region, FunctionName, sum(Invocations) AS Invocations
    FROM lambda_counts(from = {to:DateTime64(3, 'UTC')} - toIntervalDay(30), to = {to:DateTime64(3, 'UTC')}, bucket_s = 0)
    WHERE FunctionVersion = ''
    GROUP BY AccountId, Region, FunctionName
) AS used ON used.AccountId = functions.AccountId AND used.Region = functions.Region AND used.FunctionName = functions.FunctionName
WHERE true
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, functions.FunctionName))
    AND ({account:String} = '' OR functions.AccountId = {account:String})
    AND ({region:String} = '' OR functions.Region = {region:String})
ORDER BY used.Invocations = 0, isNull(DaysLeft), DaysLeft, FunctionName
LIMIT 2000
