-- Invocations of each function in 30 equal parts of the window, oldest first.
SELECT AccountId, Region, FunctionName, groupArrayInsertAt(0, 30)(Count, Part) AS Counts
FROM
(
    SELECT
        AccountId, Region, FunctionName, count() AS Count,
        toUInt32(least(29, intDiv(
            dateDiff('millisecond', {from:DateTime64(3, 'UTC')}, Start) * 30, {span_s:UInt32} * 1000))) AS Part
    FROM lambda_invocations
    WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
        AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
        AND ({account:String} = '' OR AccountId = {account:String})
        AND ({region:String} = '' OR Region = {region:String})
    GROUP BY AccountId, Region, FunctionName, Part
)
GROUP BY AccountId, Region, FunctionName
