-- Exact peak and time-weighted average of busy sandboxes per bucket: the account ('*') and functions, all versions. The ten
-- functions with the highest averages and peaks have rows of their own, and the others one together, 'all others': their
-- averages add up, and Peak is that of the highest of them.
-- rollups: of the window
SELECT
    AccountId, Region, one.1 AS Bucket, Name AS FunctionName,
    max(one.2) AS Peak, sum(one.3) AS Avg, max(one.4) AS Provisional,
    any(Among) AS Functions
FROM
(
    SELECT
        AccountId, Region, rows,
        countIf(FunctionName != '*') OVER () AS Among,
        if(FunctionName = '*' OR least(
            dense_rank() OVER (PARTITION BY FunctionName = '*' ORDER BY busy DESC, FunctionName),
            dense_rank() OVER (PARTITION BY FunctionName = '*' ORDER BY high DESC, FunctionName)) <= 10,
            FunctionName, 'all others') AS Name
    FROM
    (
        -- A name may stand in several accounts and regions.
        SELECT
            AccountId, Region, FunctionName, rows,
            sum(of_account.1) OVER (PARTITION BY FunctionName) AS busy,
            sum(of_account.2) OVER (PARTITION BY FunctionName) AS high
        FROM
        (
            SELECT
                AccountId, Region, FunctionName,
                (sum(c.Avg), sum(c.Peak)) AS of_account,
                groupArray((c.Bucket, c.Peak, c.Avg, c.Provisional)) AS rows
            FROM lambda_concurrency(
                from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = {bucket_s:UInt32}) AS c
            WHERE FunctionVersion = ''
                AND (FunctionName = '*' OR empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
                AND ({account:String} = '' OR AccountId = {account:String})
                AND ({region:String} = '' OR Region = {region:String})
            GROUP BY AccountId, Region, FunctionName
        )
    )
)
ARRAY JOIN rows AS one
GROUP BY AccountId, Region, Bucket, FunctionName
ORDER BY Bucket, FunctionName
