"""What a client may ask for beside its query: parameters of the URL and two headers, sorted into what they do."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from collector.sql.errors import BAD_ARGUMENTS, NOT_IMPLEMENTED, READONLY, QueryError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class SqlLimits:
    """What no query gets past.

    Attributes:
        max_seconds: time of a query.
        max_memory_bytes: memory of a query.
        max_result_rows: rows of a result.
        max_result_bytes: bytes of a result.
        threads: queries at once.
    """

    max_seconds: float
    max_memory_bytes: int
    max_result_rows: int
    max_result_bytes: int
    threads: int

    def caps(self) -> dict[str, float]:
        """ClickHouse's settings for them. A client may ask for less."""
        return {
            "max_execution_time": self.max_seconds,
            "max_memory_usage": self.max_memory_bytes,
            "max_result_rows": self.max_result_rows,
            "max_result_bytes": self.max_result_bytes,
        }


_NICE: Final = "os_threads_nice_value_query"
"""How far a query stands back for others. Never below 0, since only digits are a number here; ClickHouse leaves it at 0
where the process lacks CAP_SYS_NICE, without which it could not take it back.
"""
LOWERABLE: Final = frozenset(
    {"max_rows_to_read", "max_bytes_to_read", "max_threads", "max_block_size", "max_columns_to_read", _NICE}
)
"""Limits that the server's operator does not set."""
_BLOCK_ROWS: Final = 65_409
_MOST: Final = {"max_threads": float(os.cpu_count() or 1), "max_block_size": float(_BLOCK_ROWS), _NICE: 19.0}
"""The greatest of them that a client gets: more would cost threads and memory and bring nothing, or is not known."""

PASSED: Final = re.compile(
    r"output_format_(?:json|csv|tsv|pretty|arrow|native|parquet|xml|decimal|values|markdown|enable)_\w+"
    r"|format_csv_delimiter|format_csv_null_representation|format_tsv_null_representation"
    r"|date_time_output_format|join_use_nulls|group_by_use_nulls|session_timezone|extremes|totals_mode"
    r"|(?:result|read|timeout)_overflow_mode|enable_named_columns_in_function_tuple"
)
"""Settings that shape a result and nothing else."""

SETTABLE: Final = "|".join(
    (
        "max_execution_time|max_memory_usage|max_result_rows|max_result_bytes",
        *sorted(LOWERABLE),
        PASSED.pattern,
    )
)
"""Names of the settings that have an effect, as a pattern that ClickHouse reads as well."""

IGNORED: Final = frozenset({
    # The transport's own, which it handles or which mean nothing here.
    "add_http_cors_header", "buffer_size", "cancel_http_readonly_queries_on_client_close", "client_protocol_version",
    "enable_http_compression", "http_headers_progress_interval_ms", "http_response_buffer_size",
    "http_zlib_compression_level", "quota_key", "role", "send_progress_in_http_headers", "session_check", "session_id",
    "session_timeout", "stacktrace",
    # Of writes, which are not possible, and of logs, which are not kept.
    "async_insert", "async_insert_deduplicate", "insert_deduplicate", "log_comment", "log_queries", "send_logs_level",
    "wait_for_async_insert", "date_time_input_format", "input_format_null_as_default",
})  # fmt: skip
"""Accepted and without effect."""

_INSTEAD_OF_BLOCKS: Final = {
    "compress": "enable_http_compression=1 with Accept-Encoding: zstd, gzip or deflate",
    "decompress": "Content-Encoding: zstd, gzip or deflate",
}
"""ClickHouse's own framing has a checksum, CityHash128, that neither the engine nor a kept library of Python gives."""
_TRUE: Final = frozenset({"1", "true"})
_OWN: Final = frozenset({
    "query", "database", "default_format", "query_id", "user", "password", "wait_end_of_query",
})  # fmt: skip
_FIELDS_OF_HEADERS: Final = {"X-ClickHouse-Format": "default_format", "X-ClickHouse-Database": "database"}
_VALUE: Final = re.compile(r"[\w .,:;|+/-]{0,64}")


@dataclass(frozen=True, slots=True)
class Options:
    """What the URL asked for.

    Attributes:
        query: SQL in the URL; the body's is appended.
        database: empty for the default one.
        default_format: of queries without a FORMAT clause.
        query_id: empty to get one.
        settings: for the engine's connection, capped.
        params: values of ``{name:Type}``.
        http_compression: whether the answer may be compressed.
        wait_end_of_query: whether the answer begins when the query has ended.
    """

    query: str = ""
    database: str = ""
    default_format: str = "TabSeparated"
    query_id: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    http_compression: bool = False
    wait_end_of_query: bool = False


def from_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The fields that a request may carry as headers. Those of the URL win over them."""
    return {field: headers[header] for header, field in _FIELDS_OF_HEADERS.items() if header in headers}


def options(fields: Mapping[str, str], limits: SqlLimits) -> Options:
    """Sort the fields of the URL (and of a form).

    Raises:
        QueryError: a setting that may not be set, or a value that is none.
    """
    settings = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in limits.caps().items()}
    settings["max_block_size"] = str(_BLOCK_ROWS)
    params: dict[str, str] = {}
    for name, value in fields.items():
        if name.startswith("param_"):
            params[name.removeprefix("param_")] = value
        elif name not in _OWN:
            _set(settings, name, value, limits)
    return Options(
        query=fields.get("query", ""),
        database=fields.get("database", ""),
        default_format=fields.get("default_format", "") or "TabSeparated",
        query_id=fields.get("query_id", ""),
        settings=settings,
        params=params,
        http_compression=fields.get("enable_http_compression", "0") in _TRUE,
        wait_end_of_query=fields.get("wait_end_of_query", "0") in _TRUE,
    )


def _set(settings: dict[str, str], name: str, value: str, limits: SqlLimits) -> None:
    caps = limits.caps()
    if name in caps:
        asked = _number(name, value)
        settings[name] = f"{min(asked, caps[name]) if asked else caps[name]:.15g}"
    elif name in LOWERABLE:
        asked, most = _number(name, value), _MOST.get(name)
        if most is None or asked:  # 0 is ClickHouse's own choice, which is what is there already
            settings[name] = f"{asked if most is None else min(asked, most):.15g}"
    elif PASSED.fullmatch(name):
        if not _VALUE.fullmatch(value):
            raise QueryError.worded(BAD_ARGUMENTS, f"Value of setting '{name[:64]}' is not allowed here")
        settings[name] = value
    elif name in _INSTEAD_OF_BLOCKS and value not in {"0", "false", ""}:
        instead = _INSTEAD_OF_BLOCKS[name]
        raise QueryError.worded(NOT_IMPLEMENTED, f"Compressed blocks ('{name}') are not supported; use {instead}")
    elif name == "readonly" or name in IGNORED or name in _INSTEAD_OF_BLOCKS:
        return  # readonly stays 1, whatever was asked for
    else:
        raise QueryError.worded(READONLY, f"Cannot modify '{name[:64]}' setting in readonly mode")


def _number(name: str, value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,9})?", value):
        raise QueryError.worded(BAD_ARGUMENTS, f"Value of setting '{name}' is not a number: {value[:64]!r}")
    return float(value)
