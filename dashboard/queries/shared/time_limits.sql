    -- The functions' time limits, which what has not ended cannot outlast: so few rows have none that a join takes longer.
    (
        SELECT mapFromArrays(groupArray(concat(AccountId, '/', Region, '/', FunctionName)), groupArray(limit_s))
        FROM
        (
            SELECT AccountId, Region, FunctionName, toInt64(ifNull(argMax(TimeoutS, PolledAt), 0)) AS limit_s
            FROM lambda_functions
            GROUP BY AccountId, Region, FunctionName
        )
    ) AS time_limits
