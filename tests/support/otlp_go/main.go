// Command otlp_go exports spans to a collector as a Go program does: OpenTelemetry's exporter on grpc-go.
//
// Arguments: the collector's address, how many exports, and whether to compress them by gzip. Between the exports it
// asks the collector for its health on a connection that both share. Prints how many of both succeeded.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func main() {
	log.SetFlags(0)
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	options := []otlptracegrpc.Option{otlptracegrpc.WithGRPCConn(connection)}
	if os.Args[3] == "gzip" {
		options = append(options, otlptracegrpc.WithCompressor("gzip"))
	}
	options = append(options, otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: false}))
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	exporter, err := otlptracegrpc.New(ctx, options...)
	if err != nil {
		log.Fatal(err)
	}
	exported := 0
	for number := range count {
		at := time.Now()
		span := tracetest.SpanStub{Name: fmt.Sprintf("%s %d", os.Args[3], number), StartTime: at, EndTime: at}
		if err := exporter.ExportSpans(ctx, tracetest.SpanStubs{span}.Snapshots()); err != nil {
			log.Fatal(err)
		}
		exported++
		if number == count/2 {
			health := grpc_health_v1.NewHealthClient(connection)
			answer, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(answer.Status)
		}
	}
	fmt.Println(exported)
}
