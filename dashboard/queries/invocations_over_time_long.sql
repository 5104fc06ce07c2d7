-- invocations_over_time of more than six hours, from the rollups. The ten functions with the most of each have rows of their own,
-- and the others one together, 'all others'.
-- rollups: of the window
SELECT
    one.1 AS Bucket, Name AS FunctionName,
    sum(one.2) AS Invocations, sum(one.3) AS Failed, sum(one.4) AS ColdStarts,
    any(Among) AS Functions
FROM
(
    SELECT
        rows,
        count() OVER () AS Among,
        if(least(
            row_number() OVER (ORDER BY invocations DESC, FunctionName),
            row_number() OVER (ORDER BY failed DESC, FunctionName),
            row_number() OVER (ORDER BY cold DESC, FunctionName)) <= 10, FunctionName, 'all others') AS Name
    FROM
    (
        SELECT
            FunctionName,
            sum(c.Invocations) AS invocations, sum(c.Failed) AS failed, sum(c.ColdStarts) AS cold,
            groupArray((toDateTime(c.Bucket, 'UTC'), c.Invocations, c.Failed, c.ColdStarts)) AS rows
        FROM lambda_counts(
            from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = {bucket_s:UInt32}) AS c
        WHERE FunctionName != '*' AND FunctionVersion = ''
            AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
            AND ({account:String} = '' OR AccountId = {account:String})
            AND ({region:String} = '' OR Region = {region:String})
        GROUP BY FunctionName
    )
)
ARRAY JOIN rows AS one
GROUP BY Bucket, FunctionName
ORDER BY Bucket, FunctionName
