-- The execution environments that lived in the window, those with the latest work first.
SELECT
    AccountId, Region, InstanceId, FunctionName, FunctionVersion, InitType,
    InitStart, FirstInvoke, LastInvoke, ShutdownAt, ShutdownReason, Invocations
FROM lambda_sandboxes_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE coalesce(InitStart, FirstInvoke) < {to:DateTime64(3, 'UTC')}
    AND coalesce(ShutdownAt, LastInvoke, InitStart) >= {from:DateTime64(3, 'UTC')}
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
ORDER BY coalesce(LastInvoke, InitStart) DESC
LIMIT {limit:UInt32}
