-- Sandboxes whose exports have not all come, or that had to drop something, newest first.
SELECT InstanceId, Signal, Exports, MissingExports, MissingItems, DroppedItems, LastReceived
FROM lambda_deliveries
WHERE LastReceived >= {from:DateTime64(3, 'UTC')} AND LastReceived < {to:DateTime64(3, 'UTC')}
    AND (MissingExports > 0 OR MissingItems > 0 OR DroppedItems > 0)
ORDER BY LastReceived DESC
LIMIT 200
