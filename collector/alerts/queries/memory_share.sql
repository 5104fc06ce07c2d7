SELECT AccountId, Region, FunctionName, max(MaxMemoryUsedMB / nullIf(MemorySizeMB, 0)) AS Value, toFloat64(count()) AS Traffic
FROM lambda_invocations
WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
GROUP BY AccountId, Region, FunctionName;
