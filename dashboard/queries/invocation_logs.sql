-- What the function wrote during one invocation: by its request id, or by its trace.
SELECT Timestamp, SeverityText, Body
FROM otel_logs
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND (LogAttributes['faas.invocation_id'] = {request:String} OR (TraceId != '' AND TraceId = {trace:String}))
ORDER BY Timestamp
LIMIT 500
