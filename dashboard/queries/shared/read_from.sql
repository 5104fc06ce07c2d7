    -- Invocations are read one by one: all of six hours, and of a longer time the newest two million or so. The hour from
    -- which on there are more, after the rollups.
    (
        SELECT max(Time)
        FROM
        (
            SELECT Time, sum(sum(Invocations)) OVER (ORDER BY Time DESC) AS newer
            FROM lambda_rollups
            WHERE PeriodS = 3600 AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')} AND FunctionName != '*'
                AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
                AND ({account:String} = '' OR AccountId = {account:String})
                AND ({region:String} = '' OR Region = {region:String})
            GROUP BY Time
        )
        WHERE newer > 2000000
    ) AS too_many_at,
    greatest({from:DateTime64(3, 'UTC')},
        least({to:DateTime64(3, 'UTC')} - toIntervalHour(6), toDateTime64(too_many_at, 3, 'UTC') + toIntervalHour(1))) AS read_from
