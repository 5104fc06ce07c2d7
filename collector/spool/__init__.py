"""The spool: acknowledged requests on disk, until ClickHouse has them."""
