"""The collector: OTLP in, a spool on disk, ClickHouse out, and SQL over the embedded store.

``python -m collector`` starts it; docs/collector.md describes its settings, endpoints and guarantees.
"""
