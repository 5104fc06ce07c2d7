-- Who does the jobs of several collectors. Each that would writes when it began and, again and again, that it is there.
CREATE TABLE IF NOT EXISTS lambda_leases
(
    Name String CODEC(ZSTD(1)),
    Holder String CODEC(ZSTD(1)),
    Since DateTime64(3) CODEC(ZSTD(1)),
    SeenAt SimpleAggregateFunction(max, DateTime64(3)) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY (Name, Since, Holder)
TTL toDateTime(SeenAt) + INTERVAL 1 DAY
SETTINGS index_granularity = 8192,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;
