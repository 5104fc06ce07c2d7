-- Every span of the trace, of the layer and of the function's own tracing, around the invocation. Of an id the one that has
-- ended: what an invocation was told with while it ran has the id of its final span.
SELECT
    SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, Timestamp AS Start, Duration AS DurationNs,
    SpanAttributes['lambda.phase'] AS Phase,
    SpanAttributes['lambda.phase.source'] AS Source,
    SpanAttributes['lambda.end_estimated'] = 'true' AS EndEstimated,
    SpanAttributes['lambda.in_flight'] = 'true' AS InFlight,
    SpanAttributes['faas.invocation_id'] AS RequestId,
    SpanAttributes['lambda.attempt'] AS Attempt,
    ResourceAttributes['faas.instance'] AS InstanceId,
    StatusCode, StatusMessage
FROM otel_traces
WHERE TraceId = {trace:String}
    AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
ORDER BY InFlight, Timestamp, Duration DESC
LIMIT 1 BY SpanId
LIMIT 1000
