-- The execution environments that lived in the window, those with the latest work first. What ran in them is counted for
-- those alone that are shown, from the first that began in one of them on.
WITH
    (
        SELECT (groupUniqArray(InstanceId), groupUniqArray(FunctionName), ifNull(min(FirstInvoke), {to:DateTime64(3, 'UTC')}))
        FROM
        (
            -- Rows of one environment that are not merged yet are few.
            SELECT InstanceId, FunctionName, FirstInvoke
            FROM lambda_sandbox_parts
            WHERE LastSeen >= toDateTime({from:DateTime64(3, 'UTC')})
                AND coalesce(InitStart, FirstInvoke) < {to:DateTime64(3, 'UTC')}
                AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
                AND ({account:String} = '' OR AccountId = {account:String})
                AND ({region:String} = '' OR Region = {region:String})
            ORDER BY coalesce(LastInvoke, InitStart) DESC
            LIMIT 4 * {limit:UInt32}
        )
    ) AS shown
SELECT
    AccountId, Region, InstanceId, FunctionName, FunctionVersion, InitType,
    InitStart, FirstInvoke, LastInvoke, ShutdownAt, ShutdownReason, counted.Invocations AS Invocations
FROM
(
    SELECT *
    FROM lambda_sandbox_lives
    WHERE InstanceId IN (SELECT arrayJoin(shown.1)) AND FunctionName IN (SELECT arrayJoin(shown.2))
        AND coalesce(InitStart, FirstInvoke) < {to:DateTime64(3, 'UTC')}
        AND coalesce(ShutdownAt, LastInvoke, InitStart) >= {from:DateTime64(3, 'UTC')}
    ORDER BY coalesce(LastInvoke, InitStart) DESC
    LIMIT {limit:UInt32}
) AS lives
LEFT JOIN
(
    SELECT AccountId, Region, FunctionName, InstanceId, count() AS Invocations
    FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
    WHERE Start >= shown.3 AND FunctionName IN (SELECT arrayJoin(shown.2)) AND InstanceId IN (SELECT arrayJoin(shown.1))
    GROUP BY AccountId, Region, FunctionName, InstanceId
) AS counted USING (AccountId, Region, FunctionName, InstanceId)
ORDER BY coalesce(LastInvoke, InitStart) DESC
