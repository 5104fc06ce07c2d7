-- The latest invocations that waited for an init.
WITH
    -- The hour back to which the rollups tell of twice so many: nothing older need be read.
    (
        SELECT max(Time)
        FROM
        (
            SELECT Time, sum(sum(ColdStarts)) OVER (ORDER BY Time DESC) AS newer
            FROM lambda_rollups FINAL
            WHERE PeriodS = 3600 AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
                AND if(empty({functions:Array(String)}), FunctionName = '*', has({functions:Array(String)}, FunctionName))
                AND ({account:String} = '' OR AccountId = {account:String})
                AND ({region:String} = '' OR Region = {region:String})
            GROUP BY Time
        )
        WHERE newer >= 2 * {limit:UInt32}
    ) AS enough_from,
    greatest({from:DateTime64(3, 'UTC')}, enough_from) AS begin
SELECT
    Start, FunctionName, FunctionVersion, InitType,
    coalesce(RestoreDurationMs, InitDurationMs) AS InitMs,
    DurationMs, Status, ErrorType, EndEstimated, RequestId, InstanceId, Attempt
FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE Start >= begin AND toStartOfHour(Start, 'UTC') >= toStartOfHour(begin, 'UTC') AND Start < {to:DateTime64(3, 'UTC')} AND ColdStart
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
ORDER BY Start DESC
LIMIT {limit:UInt32}
