-- Made of collector/reference/*.tsv by `python -m collector.reference`: change those. Rows that users load are in the
-- tables of the same columns; of each key the row with the latest date counts.
CREATE TABLE IF NOT EXISTS lambda_prices_loaded
(
    AsOf Date CODEC(ZSTD(1)),
    Region LowCardinality(String) CODEC(ZSTD(1)),
    Item LowCardinality(String) CODEC(ZSTD(1)),
    Architecture LowCardinality(String) CODEC(ZSTD(1)),
    FromUnits Float64 CODEC(ZSTD(1)),
    PriceUsd Float64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (Region, Item, Architecture, FromUnits, AsOf)
SETTINGS index_granularity = 8192,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW lambda_prices_packaged AS
SELECT * FROM values('AsOf Date, Region LowCardinality(String), Item LowCardinality(String), Architecture LowCardinality(String), FromUnits Float64, PriceUsd Float64',
    ('2026-11-21', '', 'request', '', 0, 0.0000002),
    ('2026-11-21', '', 'gb_second', 'amd64', 0, 0.0000166667),
    ('2026-11-21', '', 'gb_second', 'amd64', 6000000000, 0.000015),
    ('2026-11-21', '', 'gb_second', 'amd64', 15000000000, 0.0000133334),
    ('2026-11-21', '', 'gb_second', 'arm64', 0, 0.0000133334),
    ('2026-11-21', '', 'gb_second', 'arm64', 7500000000, 0.0000120001),
    ('2026-11-21', '', 'gb_second', 'arm64', 18750000000, 0.0000106667),
    ('2026-11-21', '', 'provisioned_gb_second', 'amd64', 0, 0.0000041667),
    ('2026-11-21', '', 'provisioned_gb_second', 'arm64', 0, 0.0000033334),
    ('2026-11-21', '', 'provisioned_execution_gb_second', 'amd64', 0, 0.0000097222),
    ('2026-11-21', '', 'provisioned_execution_gb_second', 'arm64', 0, 0.0000077778),
    ('2026-11-21', '', 'ephemeral_gb_second', '', 0, 0.0000000309),
    ('2026-11-21', '', 'snapstart_cache_gb_second', '', 0, 0.0000015046),
    ('2026-11-21', '', 'snapstart_restore_gb', '', 0, 0.0001397998));

CREATE OR REPLACE VIEW lambda_prices AS
SELECT
    Region,
    Item,
    Architecture,
    FromUnits,
    max(known.AsOf) AS AsOf,
    argMax(tuple(PriceUsd), known.AsOf).1 AS PriceUsd
FROM
(
    SELECT AsOf, Region, Item, Architecture, FromUnits, PriceUsd FROM lambda_prices_packaged
    UNION ALL
    SELECT AsOf, Region, Item, Architecture, FromUnits, PriceUsd FROM lambda_prices_loaded
) AS known
GROUP BY Region, Item, Architecture, FromUnits;

CREATE TABLE IF NOT EXISTS lambda_runtimes_loaded
(
    AsOf Date CODEC(ZSTD(1)),
    Runtime LowCardinality(String) CODEC(ZSTD(1)),
    DeprecationDate Nullable(Date) CODEC(ZSTD(1)),
    BlockCreateDate Nullable(Date) CODEC(ZSTD(1)),
    BlockUpdateDate Nullable(Date) CODEC(ZSTD(1)),
    Successor LowCardinality(String) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (Runtime, AsOf)
SETTINGS index_granularity = 8192,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW lambda_runtimes_packaged AS
SELECT * FROM values('AsOf Date, Runtime LowCardinality(String), DeprecationDate Nullable(Date), BlockCreateDate Nullable(Date), BlockUpdateDate Nullable(Date), Successor LowCardinality(String)',
    ('2026-11-21', 'dotnet10', '2028-11-14', '2028-12-14', '2029-01-15', ''),
    ('2026-11-21', 'dotnet6', '2024-12-20', '2027-02-01', '2027-03-03', 'dotnet10'),
    ('2026-11-21', 'dotnet8', '2026-11-10', '2027-02-01', '2027-03-03', 'dotnet10'),
    ('2026-11-21', 'dotnet9', '2026-11-10', NULL, NULL, 'dotnet10'),
    ('2026-11-21', 'dotnetcore1.0', '2019-06-27', '2019-06-30', '2019-07-30', 'dotnet10'),
    ('2026-11-21', 'dotnetcore2.0', '2019-05-30', '2019-04-30', '2019-05-30', 'dotnet10'),
    ('2026-11-21', 'dotnetcore2.1', '2022-01-05', '2022-01-05', '2022-04-13', 'dotnet10'),
    ('2026-11-21', 'dotnetcore3.1', '2023-04-03', '2023-04-03', '2023-05-03', 'dotnet10'),
    ('2026-11-21', 'go1.x', '2024-01-08', '2024-02-08', '2027-03-03', 'provided.al2023'),
    ('2026-11-21', 'java11', '2027-06-30', '2027-07-31', '2027-08-31', 'java25'),
    ('2026-11-21', 'java11.al2023', '2029-06-30', '2029-07-31', '2029-08-31', 'java25'),
    ('2026-11-21', 'java17', '2027-06-30', '2027-07-31', '2027-08-31', 'java25'),
    ('2026-11-21', 'java17.al2023', '2029-06-30', '2029-07-31', '2029-08-31', 'java25'),
    ('2026-11-21', 'java21', '2029-06-30', '2029-07-31', '2029-08-31', 'java25'),
    ('2026-11-21', 'java25', '2029-06-30', '2029-07-31', '2029-08-31', ''),
    ('2026-11-21', 'java8', '2024-01-08', '2024-02-08', '2027-03-03', 'java25'),
    ('2026-11-21', 'java8.al2', '2027-06-30', '2027-07-31', '2027-08-31', 'java25'),
    ('2026-11-21', 'java8.al2023', '2029-06-30', '2029-07-31', '2029-08-31', 'java25'),
    ('2026-11-21', 'nodejs', '2016-08-30', '2016-09-30', '2016-10-31', 'nodejs24.x'),
    ('2026-11-21', 'nodejs10.x', '2021-07-30', '2021-07-30', '2022-02-14', 'nodejs24.x'),
    ('2026-11-21', 'nodejs12.x', '2023-03-31', '2023-03-31', '2023-04-30', 'nodejs24.x'),
    ('2026-11-21', 'nodejs14.x', '2023-12-04', '2024-01-09', '2027-03-03', 'nodejs24.x'),
    ('2026-11-21', 'nodejs16.x', '2024-06-12', '2027-02-01', '2027-03-03', 'nodejs24.x'),
    ('2026-11-21', 'nodejs18.x', '2025-09-01', '2027-02-01', '2027-03-03', 'nodejs24.x'),
    ('2026-11-21', 'nodejs20.x', '2026-04-30', '2027-02-01', '2027-03-03', 'nodejs24.x'),
    ('2026-11-21', 'nodejs22.x', '2027-04-30', '2027-06-01', '2027-07-01', 'nodejs24.x'),
    ('2026-11-21', 'nodejs24.x', '2028-04-30', '2028-06-01', '2028-07-01', ''),
    ('2026-11-21', 'nodejs4.3', '2020-03-05', '2020-02-03', '2020-03-05', 'nodejs24.x'),
    ('2026-11-21', 'nodejs4.3-edge', '2020-03-05', '2019-03-31', '2019-04-30', 'nodejs24.x'),
    ('2026-11-21', 'nodejs6.10', '2019-08-12', '2019-07-12', '2019-08-12', 'nodejs24.x'),
    ('2026-11-21', 'nodejs8.10', '2020-03-06', '2020-02-04', '2020-03-06', 'nodejs24.x'),
    ('2026-11-21', 'provided', '2024-01-08', '2024-02-08', '2027-03-03', 'provided.al2023'),
    ('2026-11-21', 'provided.al2', '2026-07-31', '2027-02-01', '2027-03-03', 'provided.al2023'),
    ('2026-11-21', 'provided.al2023', '2029-06-30', '2029-07-31', '2029-08-31', ''),
    ('2026-11-21', 'python2.7', '2021-07-15', '2021-07-15', '2022-05-30', 'python3.14'),
    ('2026-11-21', 'python3.10', '2026-10-31', '2027-02-01', '2027-03-03', 'python3.14'),
    ('2026-11-21', 'python3.11', '2027-06-30', '2027-07-31', '2027-08-31', 'python3.14'),
    ('2026-11-21', 'python3.12', '2028-10-31', '2028-11-30', '2029-01-10', 'python3.14'),
    ('2026-11-21', 'python3.13', '2029-06-30', '2029-07-31', '2029-08-31', 'python3.14'),
    ('2026-11-21', 'python3.14', '2029-06-30', '2029-07-31', '2029-08-31', ''),
    ('2026-11-21', 'python3.6', '2022-07-18', '2022-07-18', '2022-08-29', 'python3.14'),
    ('2026-11-21', 'python3.7', '2023-12-04', '2024-01-09', '2027-03-03', 'python3.14'),
    ('2026-11-21', 'python3.8', '2024-10-14', '2027-02-01', '2027-03-03', 'python3.14'),
    ('2026-11-21', 'python3.9', '2025-12-15', '2027-02-01', '2027-03-03', 'python3.14'),
    ('2026-11-21', 'ruby2.5', '2021-07-30', '2021-07-30', '2022-03-31', 'ruby4.0'),
    ('2026-11-21', 'ruby2.7', '2023-12-07', '2024-01-09', '2027-03-03', 'ruby4.0'),
    ('2026-11-21', 'ruby3.2', '2026-03-31', '2027-02-01', '2027-03-03', 'ruby4.0'),
    ('2026-11-21', 'ruby3.3', '2027-03-31', '2027-04-30', '2027-05-31', 'ruby4.0'),
    ('2026-11-21', 'ruby3.4', '2028-03-31', '2028-04-30', '2028-05-31', 'ruby4.0'),
    ('2026-11-21', 'ruby4.0', '2029-03-31', '2029-04-30', '2029-05-31', ''));

CREATE OR REPLACE VIEW lambda_runtimes AS
SELECT
    Runtime,
    max(known.AsOf) AS AsOf,
    argMax(tuple(DeprecationDate), known.AsOf).1 AS DeprecationDate,
    argMax(tuple(BlockCreateDate), known.AsOf).1 AS BlockCreateDate,
    argMax(tuple(BlockUpdateDate), known.AsOf).1 AS BlockUpdateDate,
    argMax(tuple(Successor), known.AsOf).1 AS Successor
FROM
(
    SELECT AsOf, Runtime, DeprecationDate, BlockCreateDate, BlockUpdateDate, Successor FROM lambda_runtimes_packaged
    UNION ALL
    SELECT AsOf, Runtime, DeprecationDate, BlockCreateDate, BlockUpdateDate, Successor FROM lambda_runtimes_loaded
) AS known
GROUP BY Runtime;
