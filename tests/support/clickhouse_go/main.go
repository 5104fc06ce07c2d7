// Command clickhouse_go does over HTTP what Grafana's ClickHouse data source does with the same driver: its health check,
// and the queries of its OpenTelemetry mode. It prints what it read as JSON.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

var methods = map[string]clickhouse.CompressionMethod{
	"none": clickhouse.CompressionNone,
	"gzip": clickhouse.CompressionGZIP, // the data source's own choice over HTTP
	"lz4":  clickhouse.CompressionLZ4,
	"zstd": clickhouse.CompressionZSTD,
}

func main() {
	answers, err := run(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(answers)
}

func run(address, compression, traceID string) (map[string]any, error) {
	db := clickhouse.OpenDB(&clickhouse.Options{
		Addr:        []string{address},
		Protocol:    clickhouse.HTTP,
		Auth:        clickhouse.Auth{Database: "default", Username: "default"},
		Compression: &clickhouse.Compression{Method: methods[compression]},
		ReadTimeout: 20 * time.Second,
		Settings:    clickhouse.Settings{"max_execution_time": 20},
	})
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		return nil, fmt.Errorf("health check: %w", err)
	}
	answers := map[string]any{}
	for name, query := range queries(traceID) {
		rows, err := read(ctx, db, query)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		answers[name] = rows
	}
	_, err := db.ExecContext(ctx, "INSERT INTO otel_logs (Body) VALUES ('x')")
	answers["insert_refused"] = err != nil
	return answers, nil
}

func queries(traceID string) map[string]string {
	bounds := fmt.Sprintf(`WITH '%s' AS trace_id,
(SELECT min(Start) FROM otel_traces_trace_id_ts WHERE TraceId = trace_id) AS trace_start,
(SELECT max(End) + 1 FROM otel_traces_trace_id_ts WHERE TraceId = trace_id) AS trace_end `, traceID)
	return map[string]string{
		"version":   "SELECT version()",
		"databases": "SELECT name FROM system.databases WHERE name = 'default'",
		"columns":   "SELECT name, type FROM system.columns WHERE database = 'default' AND table = 'otel_logs' AND name = 'Body'",
		"search": `SELECT TraceId AS traceID, ServiceName AS serviceName, SpanName AS operationName, Timestamp AS startTime,
multiply(Duration, 0.000001) AS duration FROM otel_traces WHERE ParentSpanId = '' ORDER BY Timestamp DESC LIMIT 1000`,
		"trace": bounds + `SELECT TraceId AS traceID, SpanId AS spanID, ParentSpanId AS parentSpanID, SpanName AS operationName,
multiply(toUnixTimestamp64Nano(Timestamp), 0.000001) AS startTime, multiply(Duration, 0.000001) AS duration,
arrayMap(key -> map('key', key, 'value', SpanAttributes[key]), mapKeys(SpanAttributes)) AS tags,
if(StatusCode IN ('Error', 'STATUS_CODE_ERROR'), 2, 0) AS statusCode
FROM otel_traces WHERE traceID = trace_id AND Timestamp >= trace_start AND Timestamp <= trace_end LIMIT 1000`,
		"volume": `SELECT toStartOfInterval(Timestamp, INTERVAL 60 second) AS time, count(*) AS spans
FROM otel_traces GROUP BY time ORDER BY time`,
		"large": "SELECT number, toString(cityHash64(number)) FROM numbers(300000)",
	}
}

// read gives the rows as text; of many only how many there are, and the last.
func read(ctx context.Context, db *sql.DB, query string) ([]string, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	found := []string{}
	for rows.Next() {
		values := make([]any, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		found = append(found, fmt.Sprint(values...))
	}
	if len(found) > 1000 {
		found = []string{fmt.Sprint(len(found)), found[len(found)-1]}
	}
	return found, rows.Err()
}
