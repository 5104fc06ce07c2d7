"""The same schema for one server, embedded or not, and for a cluster: statements in, statements out.

In a cluster a table is kept as ``<name>_local`` on each shard, replicated, and read and written under its own name by a
Distributed table over them. What belongs to one invocation has one trace, and so lies on one shard: rows merge there,
and materialised views go from one local table to the next. ``{shard}`` and ``{replica}`` are the server's own macros.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TABLE: Final = re.compile(
    r"^CREATE TABLE IF NOT EXISTS (\w+)\n(.*?)^ENGINE = (\w+)(\([^\n]*\))?(.*?);$", re.MULTILINE | re.DOTALL
)
_VIEW: Final = re.compile(r"^(CREATE OR REPLACE VIEW|DROP VIEW IF EXISTS) (\w+)", re.MULTILINE)
_MATERIALIZED: Final = re.compile(
    r"^CREATE MATERIALIZED VIEW IF NOT EXISTS (\w+) TO (\w+) AS\n(.*?);$", re.MULTILINE | re.DOTALL
)
_ALTER: Final = re.compile(r"^ALTER TABLE (\w+)\n(.*?);$", re.MULTILINE | re.DOTALL)
_FROM: Final = re.compile(r"\bFROM (\w+)\b")
_ORDER: Final = re.compile(r"^ORDER BY \(?(.*?)\)?$", re.MULTILINE)
_WINDOW: Final = re.compile(r"non_replicated_deduplication_window = \d+")

_SHARDING: Final = {
    "otel_traces": "cityHash64(TraceId)",
    "otel_traces_trace_id_ts": "cityHash64(TraceId)",
    "otel_logs": "cityHash64(TraceId)",
    "lambda_invocation_parts": "cityHash64(TraceId)",
    "lambda_sandbox_parts": "cityHash64(InstanceId)",
    "lambda_kept_throttle_causes": "cityHash64(Block)",
    "lambda_kept_stream_causes": "cityHash64(Block)",
}
"""What decides on the shard of a row. Else rows that merge go by their sorting key, and those that do not, anywhere."""
_EVERYWHERE: Final = frozenset({"lambda_schema", "lambda_leases"})
"""Kept whole on every server: small, and read before anything else."""

_ITEMS: Final = r"arrayMap(item -> concat(item.1, '=', item.2), CAST(\2, 'Array(Tuple(String, String))'))"
_TEXT_INDEXES: Final = (
    (
        re.compile(r"(INDEX idx_trace_id TraceId) TYPE bloom_filter\(0.001\) GRANULARITY 1"),
        r"\1 TYPE text(tokenizer = 'array')",
    ),
    (
        re.compile(r"(INDEX idx_\w+_attr_key mapKeys\(\w+\)) TYPE bloom_filter\(0.01\) GRANULARITY 1"),
        r"\1 TYPE text(tokenizer = 'array')",
    ),
    (
        re.compile(r"INDEX idx_(\w+)_attr_value mapValues\((\w+)\) TYPE bloom_filter\(0.01\) GRANULARITY 1"),
        rf"INDEX idx_\1_attr_items {_ITEMS} TYPE text(tokenizer = 'array')",
    ),
    (
        re.compile(r"(INDEX idx_lower_body lower\(Body\)) TYPE tokenbf_v1\(32768, 3, 0\) GRANULARITY 8"),
        r"\1 TYPE text(tokenizer = 'splitByNonAlpha')",
    ),
)
"""For attribute search through ``has(SpanAttributeItems, 'key=value')``: quicker there, and far larger on disk."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where and how the tables are kept.

    Attributes:
        cluster: the server's name of the cluster; empty for one server.
        replicated: whether a shard has replicas. Without, and without ON CLUSTER, is what one server can run by itself.
        text_indexes: text indexes on otel_traces and otel_logs in place of Bloom filters, when they are created.
    """

    cluster: str = ""
    replicated: bool = True
    text_indexes: bool = False


SINGLE: Final = Layout()


def rendered(text: str, layout: Layout) -> str:
    """The text of a migration for this layout."""
    if layout.text_indexes:
        for pattern, replacement in _TEXT_INDEXES:
            text = pattern.sub(replacement, text)
    return _Cluster(layout).of(text) if layout.cluster else text


class _Cluster:
    """Turns statements for one server into those for a cluster."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._on = f" ON CLUSTER '{layout.cluster}'" if layout.replicated else ""

    def of(self, text: str) -> str:
        text = _MATERIALIZED.sub(self._materialized, text)
        text = _TABLE.sub(self._table, text)
        text = _ALTER.sub(self._alter, text)
        return _VIEW.sub(rf"\1 \2{self._on}", text)

    def _table(self, found: re.Match[str]) -> str:
        name, body, engine, arguments, rest = found.groups()
        if engine == "Null":
            return f"CREATE TABLE IF NOT EXISTS {name}{self._on}\n{body}ENGINE = Null;"
        local = name if name in _EVERYWHERE else f"{name}_local"
        kept = self._engine(name, engine, arguments)
        statement = f"CREATE TABLE IF NOT EXISTS {local}{self._on}\n{body}ENGINE = {kept}{rest};"
        if self._layout.replicated:
            statement = _WINDOW.sub(
                "replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800", statement
            )
        if name in _EVERYWHERE:
            return statement
        order = _ORDER.search(rest)
        merges = f"cityHash64({order[1]})" if order and engine != "MergeTree" else "rand()"
        return f"{statement}\n\n{self._distributed(name, local, _SHARDING.get(name, merges))}"

    def _engine(self, name: str, engine: str, arguments: str | None) -> str:
        inner = (arguments or "()")[1:-1]
        if not self._layout.replicated:
            return engine + (arguments or "")
        place = "all" if name in _EVERYWHERE else "{shard}"
        path = f"'/clickhouse/tables/{place}/{{database}}/{name}', '{{replica}}'"
        return f"Replicated{engine}({path}{', ' + inner if inner else ''})"

    def _distributed(self, name: str, local: str, key: str) -> str:
        return (
            f"CREATE TABLE IF NOT EXISTS {name}{self._on} AS {local}\n"
            f"ENGINE = Distributed('{self._layout.cluster}', currentDatabase(), {local}, {key});"
        )

    def _materialized(self, found: re.Match[str]) -> str:
        """From a shard's own table to its own; what decodes requests hands its rows to all shards."""
        name, target, query = found.groups()
        if not target.startswith("otel_") or target == "otel_traces_trace_id_ts":
            target = f"{target}_local"
            query = _FROM.sub(lambda source: f"FROM {source[1]}_local", query)
        return f"CREATE MATERIALIZED VIEW IF NOT EXISTS {name}{self._on} TO {target} AS\n{query};"

    def _alter(self, found: re.Match[str]) -> str:
        name, change = found.groups()
        if change.lstrip().startswith("MODIFY ORDER BY"):  # a Distributed table keeps nothing that has an order
            return f"ALTER TABLE {name}_local{self._on}\n{change};"
        return f"ALTER TABLE {name}_local{self._on}\n{change};\n\nALTER TABLE {name}{self._on}\n{change};"
