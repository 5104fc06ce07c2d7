-- What each sandbox has sent and what of it has come: the state of its numbered exports, one row per sandbox and signal, of
-- which the latest counts. The collector writes a row anew when something has come (collector/store/arrivals.py).
CREATE TABLE IF NOT EXISTS lambda_exports
(
    InstanceId String CODEC(ZSTD(1)),
    Signal LowCardinality(String) CODEC(ZSTD(1)),
    Exports UInt64 CODEC(ZSTD(1)),
    LastSequence UInt64 CODEC(ZSTD(1)),
    Missing Array(Tuple(UInt64, UInt64)) CODEC(ZSTD(1)),
    Items UInt64 CODEC(ZSTD(1)),
    TotalItems Nullable(UInt64) CODEC(ZSTD(1)),
    DroppedItems Nullable(UInt64) CODEC(ZSTD(1)),
    LastReceived DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    UpdatedAt DateTime64(9) CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(UpdatedAt)
PARTITION BY toYYYYMM(LastReceived)
ORDER BY (InstanceId, Signal)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Exports that never came are gaps in the numbers; items that never came are those that the sandbox says it has sent less
-- those that came. Both can still come while the sandbox lives: it repeats what was not acknowledged.
--
-- A sandbox that was reset and did not find its own notes numbers its exports anew, under its id with a suffix ('ID/LIFE');
-- here it is one sandbox. The numbers of Missing and LastSequence are each of one of these then.
CREATE OR REPLACE VIEW lambda_deliveries AS
SELECT
    replaceRegexpOne(Exporter, '/[0-9]+$', '') AS InstanceId,
    Signal,
    sum(latest.Exports) AS Exports,
    sum(arraySum(gap -> gap.2 - gap.1 + 1, latest.Missing)) AS MissingExports,
    arrayFlatten(groupArray(latest.Missing)) AS Missing,
    max(latest.LastSequence) AS LastSequence,
    sum(latest.Items) AS Items,
    sum(toInt64(latest.Total) - toInt64(latest.Dropped)) AS SentItems,
    sum(latest.Dropped) AS DroppedItems,
    sum(if(isNull(latest.Total), NULL,
        greatest(0, toInt64(latest.Total) - toInt64(latest.Dropped) - toInt64(latest.Items)))) AS MissingItems,
    max(latest.LastReceived) AS LastReceived
FROM
(
    SELECT
        InstanceId AS Exporter, Signal,
        argMax(
            tuple(Exports, LastSequence, Missing, Items, TotalItems, DroppedItems, LastReceived)::Tuple(
                Exports UInt64, LastSequence UInt64, Missing Array(Tuple(UInt64, UInt64)), Items UInt64,
                Total Nullable(UInt64), Dropped Nullable(UInt64), LastReceived DateTime64(9)),
            UpdatedAt) AS latest
    FROM lambda_exports
    GROUP BY InstanceId, Signal
)
GROUP BY InstanceId, Signal;
