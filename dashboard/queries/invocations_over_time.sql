-- Invocations per bucket and function: how many, how many failed, how many were cold. The ten functions with the most of each
-- have rows of their own, and the others one together, 'all others': no chart tells a thousand colours apart.
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
            row_number() OVER (ORDER BY invocations DESC, Name),
            row_number() OVER (ORDER BY failed DESC, Name),
            row_number() OVER (ORDER BY cold DESC, Name)) <= 10, Name, 'all others') AS Name
    FROM
    (
        SELECT
            toString(FunctionName) AS Name,
            sum(n) AS invocations, sum(f) AS failed, sum(c) AS cold,
            groupArray((toDateTime(bucket * {bucket_s:UInt32}, 'UTC'), n, f, c)) AS rows
        FROM
        (
            SELECT
                FunctionName,
                intDiv(toUnixTimestamp(Start), {bucket_s:UInt32}) AS bucket,
                count() AS n, countIf(Status != 'success') AS f, countIf(ColdStart) AS c
            -- Buckets are whole ones.
            FROM lambda_invocations_between(
                from = fromUnixTimestamp64Milli(
                    intDiv(toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}), {bucket_s:UInt32} * 1000) * {bucket_s:UInt32} * 1000, 'UTC'),
                to = fromUnixTimestamp64Milli(
                    intDiv(toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) - 1, {bucket_s:UInt32} * 1000) * {bucket_s:UInt32} * 1000
                        + {bucket_s:UInt32} * 1000, 'UTC'))
            WHERE (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
                AND ({account:String} = '' OR AccountId = {account:String})
                AND ({region:String} = '' OR Region = {region:String})
            GROUP BY FunctionName, bucket
        )
        GROUP BY FunctionName
    )
)
ARRAY JOIN rows AS one
GROUP BY Bucket, FunctionName
ORDER BY Bucket, FunctionName
