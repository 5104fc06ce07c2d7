"""SQL over the embedded store: ClickHouse's HTTP interface, read-only."""
