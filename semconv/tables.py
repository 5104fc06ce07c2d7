"""Names of the tables and views that anyone may query. Their columns are described in docs/sql.md."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

OTEL_TRACES: Final = "otel_traces"
OTEL_LOGS: Final = "otel_logs"
OTEL_METRICS_GAUGE: Final = "otel_metrics_gauge"
OTEL_METRICS_SUM: Final = "otel_metrics_sum"
OTEL_METRICS_SUMMARY: Final = "otel_metrics_summary"
OTEL_METRICS_HISTOGRAM: Final = "otel_metrics_histogram"
OTEL_METRICS_EXPONENTIAL_HISTOGRAM: Final = "otel_metrics_exponential_histogram"

LAMBDA_INVOCATIONS: Final = "lambda_invocations"
LAMBDA_INVOCATIONS_BETWEEN: Final = "lambda_invocations_between"
LAMBDA_PHASES: Final = "lambda_phases"
LAMBDA_SANDBOXES: Final = "lambda_sandboxes"
LAMBDA_SANDBOXES_BETWEEN: Final = "lambda_sandboxes_between"
LAMBDA_ACTIVITY: Final = "lambda_activity"
LAMBDA_CONCURRENCY: Final = "lambda_concurrency"
LAMBDA_METRICS: Final = "lambda_metrics"
LAMBDA_METRIC_REGISTRY: Final = "lambda_metric_registry"
LAMBDA_FUNCTIONS: Final = "lambda_functions"
LAMBDA_EXPORTS: Final = "lambda_exports"
LAMBDA_DELIVERIES: Final = "lambda_deliveries"
LAMBDA_ACCOUNT_LIMITS: Final = "lambda_account_limits"
LAMBDA_EVENT_SOURCE_MAPPINGS: Final = "lambda_event_source_mappings"
LAMBDA_EVENT_SOURCES: Final = "lambda_event_sources"
LAMBDA_FUNCTION_VERSIONS: Final = "lambda_function_versions"
LAMBDA_POLLER_STATE: Final = "lambda_poller_state"
LAMBDA_STREAM_LAG: Final = "lambda_stream_lag"
LAMBDA_STREAM_LAG_BETWEEN: Final = "lambda_stream_lag_between"
LAMBDA_THROTTLE_CAUSES: Final = "lambda_throttle_causes"
LAMBDA_THROTTLE_CAUSES_BETWEEN: Final = "lambda_throttle_causes_between"
LAMBDA_ALERTS: Final = "lambda_alerts"
LAMBDA_ALERT_DELIVERIES: Final = "lambda_alert_deliveries"
LAMBDA_COVERAGE: Final = "lambda_coverage"
LAMBDA_COVERAGE_BETWEEN: Final = "lambda_coverage_between"
LAMBDA_METRIC_MINUTES: Final = "lambda_metric_minutes"
