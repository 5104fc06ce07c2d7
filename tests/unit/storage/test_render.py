"""The schema as text: for one server as it is written, for a cluster replicated and distributed."""

import re

import pytest

from collector.store.migrate import migrations
from collector.store.render import Layout, rendered

CLUSTER = Layout("fleet")


def clustered() -> str:
    return "\n".join(migration.text for migration in migrations(CLUSTER))


def test_one_server_gets_the_files_as_they_are() -> None:
    assert rendered("CREATE TABLE IF NOT EXISTS t\n(\n    a UInt8\n)\nENGINE = MergeTree\nORDER BY a;", Layout()) == (
        "CREATE TABLE IF NOT EXISTS t\n(\n    a UInt8\n)\nENGINE = MergeTree\nORDER BY a;"
    )


def test_a_table_of_a_cluster() -> None:
    """The whole text: a replicated table on each shard, and a distributed one over them."""
    table = """CREATE TABLE IF NOT EXISTS lambda_sizes
(
    Name String
)
ENGINE = ReplacingMergeTree(Version)
PARTITION BY toDate(Time)
ORDER BY (Name, Time)
SETTINGS index_granularity = 8192,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1;"""
    assert (
        rendered(table, CLUSTER)
        == """CREATE TABLE IF NOT EXISTS lambda_sizes_local ON CLUSTER 'fleet'
(
    Name String
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/lambda_sizes', '{replica}', Version)
PARTITION BY toDate(Time)
ORDER BY (Name, Time)
SETTINGS index_granularity = 8192,
    replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1;

CREATE TABLE IF NOT EXISTS lambda_sizes ON CLUSTER 'fleet' AS lambda_sizes_local
ENGINE = Distributed('fleet', currentDatabase(), lambda_sizes_local, cityHash64(Name, Time));"""
    )


def test_a_materialised_view_of_a_cluster_stays_on_its_shard() -> None:
    view = "CREATE MATERIALIZED VIEW IF NOT EXISTS v TO lambda_parts AS\nSELECT a\nFROM otel_traces\nWHERE a;"
    assert rendered(view, CLUSTER) == (
        "CREATE MATERIALIZED VIEW IF NOT EXISTS v ON CLUSTER 'fleet' TO lambda_parts_local AS\n"
        "SELECT a\nFROM otel_traces_local\nWHERE a;"
    )


def test_every_table_of_a_cluster_is_replicated_and_has_a_window() -> None:
    """Nothing is left as it is for one server: no engine without replicas, no window that such an engine ignores."""
    text = clustered()
    engines = set(re.findall(r"^ENGINE = (\w+)", text, re.MULTILINE))
    assert {engine for engine in engines if not engine.startswith("Replicated")} == {"Distributed", "Null"}
    assert "non_replicated" not in text
    kept = re.findall(r"^ENGINE = Replicated\w+MergeTree.*?;$", text, re.MULTILINE | re.DOTALL)
    assert all("replicated_deduplication_window_seconds" in table for table in kept)


def test_every_statement_of_a_cluster_says_where() -> None:
    statements = [statement for migration in migrations(CLUSTER) for statement in migration.statements]
    for statement in statements:
        head = statement.splitlines()[0]
        assert head.startswith("INSERT INTO") or " ON CLUSTER 'fleet'" in head, head


def test_what_belongs_to_one_invocation_lies_on_one_shard() -> None:
    found = dict(re.findall(r"Distributed\('fleet', currentDatabase\(\), (\w+)_local, (.*)\);", clustered()))
    by_trace = {"otel_traces", "otel_traces_trace_id_ts", "lambda_invocation_parts"}
    assert {name for name, key in found.items() if key == "cityHash64(TraceId)"} >= by_trace
    assert found["lambda_rollup_state"] == "cityHash64(Time, PeriodS)"


def test_every_table_has_a_deduplication_window_and_is_synced() -> None:
    """A target of a materialised view too: else a repeat that its source drops is counted twice there."""
    for migration in migrations():
        for statement in migration.statements:
            if statement.startswith("CREATE TABLE") and "MergeTree" in statement:
                settings = ("non_replicated_deduplication_window", "fsync_after_insert = 1", "fsync_part_directory = 1")
                assert all(setting in statement for setting in settings), statement.splitlines()[0]


def test_text_indexes_replace_the_bloom_filters_of_attributes() -> None:
    text = "\n".join(m.text for m in migrations(Layout(text_indexes=True)) if m.name[:4] in {"0001", "0002"})
    assert "bloom_filter" not in text
    assert text.count("TYPE text(") == 5 + 8


@pytest.mark.parametrize("layout", [Layout(), CLUSTER])
def test_no_definition_is_left(layout: Layout) -> None:
    assert not [migration.name for migration in migrations(layout) if "${" in migration.text]
