-- What was throttled in the window: stretches of it, each with its likely cause.
SELECT
    'throttles' AS Page, FunctionName, Cause, Since AS Began, max(Minute) + 60 AS Ended,
    argMax(Confidence, Throttles) AS Sure, argMax(Evidence, Throttles) AS Why, sum(Throttles) AS Weight
FROM lambda_throttle_causes_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE true
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY FunctionName, Cause, Began
