"""OTLP over gRPC and HTTP: both hand bytes to one intake and word its answers in their own way."""
