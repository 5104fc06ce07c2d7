"""OTLP requests and what becomes of them: pure functions from bytes to columns."""
