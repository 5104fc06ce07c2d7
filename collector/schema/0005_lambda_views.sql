-- A phase of a sandbox or of an invocation. Nothing is grouped, so that every filter reaches otel_traces.
CREATE OR REPLACE VIEW lambda_phases AS
SELECT
    ResourceAttributes['cloud.account.id'] AS AccountId,
    ResourceAttributes['cloud.region'] AS Region,
    ResourceAttributes['faas.name'] AS FunctionName,
    ResourceAttributes['faas.version'] AS FunctionVersion,
    ResourceAttributes['faas.instance'] AS InstanceId,
    nullIf(SpanAttributes['faas.invocation_id'], '') AS RequestId,
    TraceId,
    SpanAttributes['lambda.phase'] AS Phase,
    nullIf(SpanAttributes['lambda.phase.source'], '') AS Source,
    Timestamp AS Start,
    Duration / 1e6 AS DurationMs,
    nullIf(SpanAttributes['lambda.status'], '') AS Status
FROM otel_traces
WHERE SpanAttributes['lambda.phase'] != '' AND SpanAttributes['lambda.in_flight'] != 'true';
