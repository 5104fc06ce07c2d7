-- Execution environments alive in each bucket, on the average: busy, idle, and presumed idle since nobody told their end.
-- As lambda_sandboxes_over_time has them, from the invocations themselves, and of the account alone where no function is chosen.
WITH
    -- include time_limits
    ,
-- include sandboxes_alive
GLOBAL ANY LEFT JOIN
(
    SELECT
        AccountId, Region, Name,
        toDateTime(intDiv(step_ms, 1000), 'UTC') AS Bucket,
        sum(least(busy_to, step_ms + width_ms) - greatest(busy_from, step_ms)) / width_ms AS Busy
    FROM
    (
        SELECT
            AccountId, Region, Name, busy_from, busy_to,
            arrayJoin(range(toUInt64(intDiv(busy_from, width_ms)), toUInt64(intDiv(busy_to - 1, width_ms) + 1)))
                * toInt64(width_ms) AS step_ms
        FROM
        (
            SELECT
                AccountId, Region, if(empty({functions:Array(String)}), '*', toString(FunctionName)) AS Name,
                -- include busy
            FROM lambda_invocations_between(
                from = {from:DateTime64(3, 'UTC')} - toIntervalSecond({bucket_s:UInt32} + 1200),
                to = {to:DateTime64(3, 'UTC')} + toIntervalSecond({bucket_s:UInt32} + 1200))
            WHERE Start >= fromUnixTimestamp64Milli(from_ms - 1200000) AND Start < fromUnixTimestamp64Milli(to_ms + 1200000)
                AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
                AND ({account:String} = '' OR AccountId = {account:String})
                AND ({region:String} = '' OR Region = {region:String})
        )
        WHERE busy_to > busy_from
    )
    GROUP BY AccountId, Region, Name, step_ms
) AS busy USING (AccountId, Region, Name, Bucket)
GROUP BY Bucket
ORDER BY Bucket
