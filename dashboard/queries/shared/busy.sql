            -- Busy in [busy_from, busy_to), in whole milliseconds, within [from_ms, to_ms): from the init that it waited for until
            -- its end, and no longer than 20 minutes. One without an end is busy until now, and for as long as its time limit.
            toUnixTimestamp64Milli(Start) AS start_ms,
            greatest(toUnixTimestamp64Milli(BusyStart), start_ms - 1200000, from_ms) AS busy_from,
            least(ifNull(least(toUnixTimestamp64Milli(End), start_ms + 1200000),
                least(toUnixTimestamp64Milli(now64(3)), start_ms + 1000 * if(isNull(End), ifNull(nullIf(
                    time_limits[concat(AccountId, '/', Region, '/', FunctionName)], 0), 900), 900))), to_ms) AS busy_to
