-- Which of these files have been applied, and what they said.
CREATE TABLE IF NOT EXISTS lambda_schema
(
    Name String CODEC(ZSTD(1)),
    Digest String CODEC(ZSTD(1)),
    AppliedAt DateTime64(3) DEFAULT now64(3) CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (Name, AppliedAt)
SETTINGS index_granularity = 8192,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;
