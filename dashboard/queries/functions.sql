-- Every function that the store knows since a given instant, with where it runs: the choices of the filter bar.
SELECT FunctionName, AccountId, Region, max(Start) AS LastStart
FROM lambda_invocation_parts
WHERE Start >= {since:DateTime64(3, 'UTC')}
GROUP BY FunctionName, AccountId, Region
ORDER BY FunctionName, AccountId, Region
