-- The latest of the chosen invocations.
WITH
    -- The hour back to which the rollups tell of twice so many: nothing older need be read.
    (
        SELECT max(Time)
        FROM
        (
            SELECT Time, sum(sum(multiIf(
                    {status:String} = 'failed', Failed, {status:String} = 'timeout', TimedOut, {cold_only:UInt8}, ColdStarts, Invocations))) OVER (ORDER BY Time DESC) AS newer
            FROM lambda_rollups FINAL
            WHERE PeriodS = 3600 AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
                AND if(empty({functions:Array(String)}), FunctionName = '*', has({functions:Array(String)}, FunctionName))
                AND ({account:String} = '' OR AccountId = {account:String})
                AND ({region:String} = '' OR Region = {region:String})
            GROUP BY Time
        )
        WHERE newer >= 2 * {limit:UInt32}
    ) AS enough_from,
    -- Of other choices, or two of them at once, the rollups know nothing.
    {status:String} IN ('', 'failed', 'timeout') AND NOT ({status:String} != '' AND {cold_only:UInt8}) AND {min_ms:Float64} = 0
        AND {request:String} = '' AND {at:DateTime64(3, 'UTC')} = toDateTime64(0, 3, 'UTC') AS is_counted,
    if(is_counted, greatest({from:DateTime64(3, 'UTC')}, enough_from), {from:DateTime64(3, 'UTC')}) AS begin
SELECT
    Start, FunctionName, FunctionVersion, Status, ErrorType, ColdStart, DurationMs,
    coalesce(RestoreDurationMs, InitDurationMs) AS InitMs,
    BilledDurationMs, MaxMemoryUsedMB, MemorySizeMB, EndEstimated, RequestId, InstanceId, Attempt
FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE Start >= begin AND toStartOfHour(Start, 'UTC') >= toStartOfHour(begin, 'UTC') AND Start < {to:DateTime64(3, 'UTC')}
    -- include chosen_invocations
ORDER BY Start DESC
LIMIT {limit:UInt32}
