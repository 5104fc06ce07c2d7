-- What the inventory found changed from one poll to the next: one row for each setting of a function. Looks back a day
-- further than asked for, so that a change at the start of the window has something to be compared with.
SELECT AccountId, Region, FunctionName, PolledAt AS At, change.1 AS What, change.2 AS Before, change.3 AS Now
FROM
(
    SELECT
        AccountId, Region, FunctionName, PolledAt,
        row_number() OVER polls AS nth,
        ifNull(LastModified, toDateTime64(0, 3)) AS modified,
        -- What is not set is written as nothing.
        [
            ('runtime', toString(lagInFrame(Runtime) OVER polls), toString(Runtime)),
            ('memory, MB', ifNull(toString(lagInFrame(MemorySizeMB) OVER polls), ''), ifNull(toString(MemorySizeMB), '')),
            ('timeout, s', ifNull(toString(lagInFrame(TimeoutS) OVER polls), ''), ifNull(toString(TimeoutS), '')),
            ('architecture', toString(lagInFrame(Architecture) OVER polls), toString(Architecture)),
            ('reserved concurrency', ifNull(toString(lagInFrame(ReservedConcurrency) OVER polls), ''), ifNull(toString(ReservedConcurrency), '')),
            ('provisioned concurrency', ifNull(toString(lagInFrame(ProvisionedConcurrency) OVER polls), ''), ifNull(toString(ProvisionedConcurrency), '')),
            ('layers', toString(length(lagInFrame(Layers) OVER polls)), toString(length(Layers)))
        ] AS settings,
        arrayFilter(one -> one.2 != one.3, settings) AS changed,
        if(empty(changed) AND modified > lagInFrame(modified) OVER polls,
            [('code or other settings', '', toString(toDateTime(modified, 'UTC')))], changed) AS changes
    FROM lambda_functions
    WHERE PolledAt >= {from:DateTime64(3, 'UTC')} - toIntervalDay(1) AND PolledAt < {to:DateTime64(3, 'UTC')}
        AND ({account:String} = '' OR AccountId = {account:String})
        AND ({region:String} = '' OR Region = {region:String})
        AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    WINDOW polls AS (PARTITION BY AccountId, Region, FunctionName ORDER BY PolledAt ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
ARRAY JOIN changes AS change
WHERE nth > 1 AND At >= {from:DateTime64(3, 'UTC')}
ORDER BY At DESC, FunctionName
LIMIT 500
