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
LAMBDA_CONCURRENCY: Final = "lambda_concurrency"
LAMBDA_METRICS: Final = "lambda_metrics"
LAMBDA_METRIC_REGISTRY: Final = "lambda_metric_registry"
LAMBDA_FUNCTIONS: Final = "lambda_functions"
