-- Every function that the store knows since a given instant, with where it runs: the choices of the filter bar. Hours that have
-- rollups are read from these, the others from what was told of invocations.
WITH toStartOfHour({since:DateTime64(3, 'UTC')}) AS first_hour
SELECT FunctionName, AccountId, Region, max(last) AS LastStart
FROM
(
    SELECT FunctionName, AccountId, Region, max(LastStart) AS last
    FROM lambda_rollups
    WHERE PeriodS = 3600 AND Time >= first_hour AND FunctionName != '*' AND Invocations > 0
    GROUP BY FunctionName, AccountId, Region
    UNION ALL
    SELECT FunctionName, AccountId, Region, max(Start) AS last
    FROM lambda_invocation_parts
    WHERE toStartOfHour(Start, 'UTC') >= first_hour
        AND toStartOfHour(Start, 'UTC') GLOBAL NOT IN
            (SELECT DISTINCT Time FROM lambda_rollups WHERE PeriodS = 3600 AND Time >= first_hour)
    GROUP BY FunctionName, AccountId, Region
)
WHERE last >= {since:DateTime64(3, 'UTC')}
GROUP BY FunctionName, AccountId, Region
ORDER BY FunctionName, AccountId, Region
