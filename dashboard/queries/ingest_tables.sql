-- What each source has delivered in the window, and when its newest record is from.
SELECT 'Traces (otel_traces)' AS Source, count() AS Rows, max(Timestamp) AS Newest
FROM otel_traces WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
UNION ALL
SELECT 'Logs (otel_logs)', count(), max(Timestamp)
FROM otel_logs WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
UNION ALL
SELECT 'Metrics, gauges (otel_metrics_gauge)', count(), max(TimeUnix)
FROM otel_metrics_gauge WHERE TimeUnix >= {from:DateTime64(3, 'UTC')} AND TimeUnix < {to:DateTime64(3, 'UTC')}
UNION ALL
SELECT 'Metrics, sums (otel_metrics_sum)', count(), max(TimeUnix)
FROM otel_metrics_sum WHERE TimeUnix >= {from:DateTime64(3, 'UTC')} AND TimeUnix < {to:DateTime64(3, 'UTC')}
UNION ALL
SELECT 'CloudWatch (lambda_metrics)', count(), max(toDateTime64(Time, 3, 'UTC'))
FROM lambda_metrics WHERE Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
UNION ALL
SELECT 'Inventory (lambda_functions)', count(), max(PolledAt)
FROM lambda_functions WHERE PolledAt >= {from:DateTime64(3, 'UTC')} AND PolledAt < {to:DateTime64(3, 'UTC')}
