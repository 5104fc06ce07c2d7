-- What alerts did: one row each time that one began to fire, changed its severity, was told again or was resolved.
CREATE TABLE IF NOT EXISTS lambda_alerts
(
    Time DateTime64(3) CODEC(Delta(8), ZSTD(1)),
    Rule LowCardinality(String) CODEC(ZSTD(1)),
    Fingerprint String CODEC(ZSTD(1)),
    Title LowCardinality(String) CODEC(ZSTD(1)),
    Labels Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Kind LowCardinality(String) CODEC(ZSTD(1)),
    Severity LowCardinality(String) CODEC(ZSTD(1)),
    Value Nullable(Float64) CODEC(ZSTD(1)),
    Unit LowCardinality(String) CODEC(ZSTD(1)),
    Bound LowCardinality(String) CODEC(ZSTD(1)),
    FiredAt DateTime64(3) CODEC(ZSTD(1)),
    Summary String CODEC(ZSTD(1)),
    Advice LowCardinality(String) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(Time)
ORDER BY (Rule, Fingerprint, Time, Kind)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Whom each of these was told, and whether they took it.
CREATE TABLE IF NOT EXISTS lambda_alert_deliveries
(
    Time DateTime64(3) CODEC(Delta(8), ZSTD(1)),
    Rule LowCardinality(String) CODEC(ZSTD(1)),
    Fingerprint String CODEC(ZSTD(1)),
    Kind LowCardinality(String) CODEC(ZSTD(1)),
    Destination LowCardinality(String) CODEC(ZSTD(1)),
    Outcome LowCardinality(String) CODEC(ZSTD(1)),
    Attempts UInt16 CODEC(ZSTD(1)),
    Error String CODEC(ZSTD(1)),
    At DateTime64(3) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(At)
PARTITION BY toYYYYMM(Time)
ORDER BY (Rule, Fingerprint, Time, Kind, Destination)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;
