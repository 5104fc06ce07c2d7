-- Companions of lambda_functions: what else the inventory reads, one row per poll, so that each keeps its history.

-- Limits of an account in a region.
CREATE TABLE IF NOT EXISTS lambda_account_limits
(
    AccountId LowCardinality(String) CODEC(ZSTD(1)),
    Region LowCardinality(String) CODEC(ZSTD(1)),
    ConcurrentExecutions UInt32 CODEC(ZSTD(1)),
    UnreservedConcurrentExecutions UInt32 CODEC(ZSTD(1)),
    Functions Nullable(UInt32) CODEC(ZSTD(1)),
    CodeSizeBytes Nullable(UInt64) CODEC(ZSTD(1)),
    PolledAt DateTime64(3) CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(PolledAt)
ORDER BY (AccountId, Region, PolledAt)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Event source mappings.
CREATE TABLE IF NOT EXISTS lambda_event_source_mappings
(
    AccountId LowCardinality(String) CODEC(ZSTD(1)),
    Region LowCardinality(String) CODEC(ZSTD(1)),
    FunctionName String CODEC(ZSTD(1)),
    Qualifier String CODEC(ZSTD(1)),
    Uuid String CODEC(ZSTD(1)),
    EventSourceArn String CODEC(ZSTD(1)),
    Kind LowCardinality(String) CODEC(ZSTD(1)),
    State LowCardinality(String) CODEC(ZSTD(1)),
    StateTransitionReason String CODEC(ZSTD(1)),
    BatchSize Nullable(UInt32) CODEC(ZSTD(1)),
    BatchingWindowS Nullable(UInt32) CODEC(ZSTD(1)),
    ParallelizationFactor Nullable(UInt32) CODEC(ZSTD(1)),
    StartingPosition LowCardinality(String) CODEC(ZSTD(1)),
    BisectOnError Nullable(UInt8) CODEC(ZSTD(1)),
    MaxRetries Nullable(Int32) CODEC(ZSTD(1)),
    MaxRecordAgeS Nullable(Int32) CODEC(ZSTD(1)),
    MaximumConcurrency Nullable(UInt32) CODEC(ZSTD(1)),
    OnFailureDestination String CODEC(ZSTD(1)),
    Metrics Array(String) CODEC(ZSTD(1)),
    LastModified Nullable(DateTime64(3)) CODEC(ZSTD(1)),
    PolledAt DateTime64(3) CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(PolledAt)
ORDER BY (AccountId, Region, FunctionName, Uuid, PolledAt)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Published versions and aliases of functions, and the concurrency provisioned for each.
CREATE TABLE IF NOT EXISTS lambda_function_versions
(
    AccountId LowCardinality(String) CODEC(ZSTD(1)),
    Region LowCardinality(String) CODEC(ZSTD(1)),
    FunctionName String CODEC(ZSTD(1)),
    Qualifier String CODEC(ZSTD(1)),
    Kind LowCardinality(String) CODEC(ZSTD(1)),
    FunctionVersion String CODEC(ZSTD(1)),
    Weights Map(LowCardinality(String), Float64) CODEC(ZSTD(1)),
    ProvisionedConcurrency Nullable(UInt32) CODEC(ZSTD(1)),
    ProvisionedAvailable Nullable(UInt32) CODEC(ZSTD(1)),
    ProvisionedStatus LowCardinality(String) CODEC(ZSTD(1)),
    Runtime LowCardinality(String) CODEC(ZSTD(1)),
    CodeSha256 String CODEC(ZSTD(1)),
    LastModified Nullable(DateTime64(3)) CODEC(ZSTD(1)),
    PolledAt DateTime64(3) CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(PolledAt)
ORDER BY (AccountId, Region, FunctionName, Kind, Qualifier, PolledAt)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Streams that event source mappings read, and how long each keeps a record.
CREATE TABLE IF NOT EXISTS lambda_event_sources
(
    AccountId LowCardinality(String) CODEC(ZSTD(1)),
    Region LowCardinality(String) CODEC(ZSTD(1)),
    EventSourceArn String CODEC(ZSTD(1)),
    Kind LowCardinality(String) CODEC(ZSTD(1)),
    RetentionS Nullable(UInt32) CODEC(ZSTD(1)),
    Shards Nullable(UInt32) CODEC(ZSTD(1)),
    Status LowCardinality(String) CODEC(ZSTD(1)),
    PolledAt DateTime64(3) CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(PolledAt)
ORDER BY (AccountId, Region, EventSourceArn, PolledAt)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- How far the poller has come, one row per account, region and job; the newest counts.
CREATE TABLE IF NOT EXISTS lambda_poller_state
(
    Job LowCardinality(String) CODEC(ZSTD(1)),
    AccountId LowCardinality(String) CODEC(ZSTD(1)),
    Region LowCardinality(String) CODEC(ZSTD(1)),
    Since DateTime CODEC(ZSTD(1)),
    Through DateTime CODEC(ZSTD(1)),
    Requests UInt64 CODEC(ZSTD(1)),
    MetricsRequested UInt64 CODEC(ZSTD(1)),
    Points UInt64 CODEC(ZSTD(1)),
    Trouble String CODEC(ZSTD(1)),
    UpdatedAt DateTime64(3) CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(UpdatedAt)
ORDER BY (Job, AccountId, Region)
SETTINGS index_granularity = 8192,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;
