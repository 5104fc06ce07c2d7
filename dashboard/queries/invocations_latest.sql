-- The latest of the chosen invocations.
WITH
    -- Of other choices, or two of them at once, the rollups know nothing.
    {status:String} IN ('', 'failed', 'timeout') AND NOT ({status:String} != '' AND {cold_only:UInt8}) AND {min_ms:Float64} = 0
        AND {request:String} = '' AND {at:DateTime64(3, 'UTC')} = toDateTime64(0, 3, 'UTC') AS is_counted,
    -- Hours of which the rollups tell that there are some, or that hold no longer, back to where there are twice so many.
    hours AS
    (
        SELECT Hour
        FROM
        (
            SELECT
                Hour, sum(chosen) AS some, sum(arrivals) != bitShiftRight(max(of_hour), 32) AS is_open,
                -- Some of the last one may be later than the range.
                sum(if(Hour + toIntervalHour(1) > {to:DateTime64(3, 'UTC')}, 0, some)) OVER (ORDER BY Hour DESC) - some AS newer
            FROM
            (
                SELECT
                    toStartOfHour(Time, 'UTC') AS Hour, 0 AS chosen, if(PeriodS = 60, Arrivals, 0) AS arrivals,
                    if(PeriodS = 3600, Computed, 0) AS of_hour
                FROM lambda_rollup_state
                -- To the end of the last one: what arrived for part of it can be just as much as its rollup was made of.
                WHERE Time >= toStartOfHour({from:DateTime64(3, 'UTC')}, 'UTC') AND Time < {to:DateTime64(3, 'UTC')} + toIntervalHour(1)
                UNION ALL
                SELECT
                    Time,
                    multiIf({status:String} = 'failed', Failed, {status:String} = 'timeout', TimedOut,
                        {cold_only:UInt8}, ColdStarts, Invocations),
                    0, 0
                FROM lambda_rollups FINAL
                WHERE PeriodS = 3600 AND Time >= toStartOfHour({from:DateTime64(3, 'UTC')}, 'UTC') AND Time < {to:DateTime64(3, 'UTC')}
                    AND if(empty({functions:Array(String)}), FunctionName = '*', has({functions:Array(String)}, FunctionName))
                    AND ({account:String} = '' OR AccountId = {account:String})
                    AND ({region:String} = '' OR Region = {region:String})
            )
            GROUP BY Hour
        )
        WHERE (some > 0 OR is_open) AND newer < 2 * {limit:UInt32}
    )
SELECT
    Start, FunctionName, FunctionVersion, InitType, Status, ErrorType, ColdStart, DurationMs,
    coalesce(RestoreDurationMs, InitDurationMs) AS InitMs,
    BilledDurationMs, MaxMemoryUsedMB, MemorySizeMB, EndEstimated, RequestId, InstanceId, Attempt
FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE (NOT is_counted OR toStartOfHour(Start, 'UTC') GLOBAL IN (SELECT Hour FROM hours))
    -- include chosen_invocations
ORDER BY Start DESC
LIMIT {limit:UInt32}
