-- The latest invocations that waited for an init.
WITH
    -- The newest hours that have so many, which the rollups tell: nothing older need be read.
    (
        SELECT min(Bucket)
        FROM
        (
            SELECT Bucket, sum(matching) OVER (ORDER BY Bucket DESC) - matching AS newer
            FROM
            (
                SELECT Bucket, sum(ColdStarts) AS matching
                FROM lambda_counts(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = 3600)
                WHERE FunctionName != '*' AND FunctionVersion = ''
                    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
                    AND ({account:String} = '' OR AccountId = {account:String})
                    AND ({region:String} = '' OR Region = {region:String})
                GROUP BY Bucket
            )
        )
        WHERE newer < {limit:UInt32}
    ) AS enough_from
SELECT
    Start, FunctionName, FunctionVersion, InitType,
    coalesce(RestoreDurationMs, InitDurationMs) AS InitMs,
    DurationMs, Status, ErrorType, EndEstimated, RequestId, InstanceId, Attempt
FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE Start >= greatest({from:DateTime64(3, 'UTC')}, enough_from) AND Start < {to:DateTime64(3, 'UTC')} AND ColdStart
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
ORDER BY Start DESC
LIMIT {limit:UInt32}
