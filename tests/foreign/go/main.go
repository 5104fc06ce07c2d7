// Command bootstrap is a function on a runtime that nobody here wrote: AWS's client for Go.
package main

import (
	"context"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type answer struct {
	Event     map[string]any `json:"event"`
	RequestID string         `json:"request_id"`
	Function  string         `json:"function"`
}

func handle(ctx context.Context, event map[string]any) (answer, error) {
	log.Print("handling an event")
	if event["panic"] == true {
		panic("as asked")
	}
	caller, _ := lambdacontext.FromContext(ctx)
	return answer{event, caller.AwsRequestID, lambdacontext.FunctionName}, nil
}

func main() {
	// With this option the client registers an internal extension, so that Lambda sends SIGTERM before the end.
	lambda.StartWithOptions(handle, lambda.WithEnableSIGTERM(func() {
		os.Stdout.WriteString("told of the end\n")
	}))
}
