"""ClickHouse, embedded or a server: opening it, its tables, and inserts."""
