-- once
-- What was in otel_traces before there were views to take it from. What comes twice, from here and from a view, merges.
INSERT INTO lambda_invocation_parts
    (AccountId, Region, FunctionName, InstanceId, Start, RequestId, Attempt, Source, Seen, FunctionVersion, InvokedArn,
    TraceId, LeadNs, MeasuredNs, ReportedNs, BilledDurationMs, InitDurationMs, RestoreDurationMs, ColdStart,
    ProactiveInit, InitType, MeasuredStatus, ReportedStatus, MeasuredErrorType, ReportedErrorType, ConfiguredMemoryMB,
    ReportedMemoryMB, MaxMemoryUsedMB, Trigger, EventSourceArn, BatchSize, IteratorAgeMs, PostRuntimeNs,
    ResponseLatencyNs, ResponseDurationNs, RuntimeOverheadNs, ProducedBytes, Architecture, RuntimeVersion, SpanTime)
${parts_of_spans}
SETTINGS async_insert = 0, max_partitions_per_insert_block = 0, max_bytes_before_external_group_by = 1000000000;

INSERT INTO lambda_sandbox_parts
    (AccountId, Region, FunctionName, InstanceId, Source, FunctionVersion, InitType, InitStart, LastShutdown, LastSeen)
${sandboxes_of_spans}
SETTINGS async_insert = 0;
