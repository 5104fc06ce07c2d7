-- Points of CloudWatch, one row per point.
CREATE TABLE IF NOT EXISTS lambda_metrics
(
    Namespace LowCardinality(String) CODEC(ZSTD(1)),
    MetricName LowCardinality(String) CODEC(ZSTD(1)),
    Dimensions Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    DimensionSet LowCardinality(String) CODEC(ZSTD(1)),
    Time DateTime CODEC(Delta(4), ZSTD(1)),
    PeriodS UInt32 CODEC(ZSTD(1)),
    Sum Nullable(Float64) CODEC(ZSTD(1)),
    Min Nullable(Float64) CODEC(ZSTD(1)),
    Max Nullable(Float64) CODEC(ZSTD(1)),
    SampleCount Nullable(Float64) CODEC(ZSTD(1)),
    Quantiles Map(LowCardinality(String), Float64) CODEC(ZSTD(1)),
    Unit LowCardinality(String) CODEC(ZSTD(1)),
    AccountId LowCardinality(String) CODEC(ZSTD(1)),
    Region LowCardinality(String) CODEC(ZSTD(1)),
    IngestedAt DateTime64(3) DEFAULT now64(3) CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(IngestedAt)
PARTITION BY toDate(Time)
ORDER BY (MetricName, AccountId, Region, DimensionSet, PeriodS, cityHash64(Dimensions), Time, Namespace, Unit)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- What a function was configured to be, one row per poll.
CREATE TABLE IF NOT EXISTS lambda_functions
(
    AccountId LowCardinality(String) CODEC(ZSTD(1)),
    Region LowCardinality(String) CODEC(ZSTD(1)),
    FunctionName String CODEC(ZSTD(1)),
    FunctionArn String CODEC(ZSTD(1)),
    Runtime LowCardinality(String) CODEC(ZSTD(1)),
    MemorySizeMB Nullable(UInt32) CODEC(ZSTD(1)),
    TimeoutS Nullable(UInt32) CODEC(ZSTD(1)),
    Architecture LowCardinality(String) CODEC(ZSTD(1)),
    ReservedConcurrency Nullable(UInt32) CODEC(ZSTD(1)),
    ProvisionedConcurrency Nullable(UInt32) CODEC(ZSTD(1)),
    Layers Array(String) CODEC(ZSTD(1)),
    EventSources Array(String) CODEC(ZSTD(1)),
    LastModified Nullable(DateTime64(3)) CODEC(ZSTD(1)),
    PolledAt DateTime64(3) CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(PolledAt)
ORDER BY (AccountId, Region, FunctionName, PolledAt)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;
