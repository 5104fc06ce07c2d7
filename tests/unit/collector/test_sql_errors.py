"""Errors of the engine as one line."""

from __future__ import annotations

import pytest

from collector.sql.errors import QueryError


@pytest.mark.parametrize(
    ("engine", "shown"),
    [
        (
            "Code: 73. DB::Exception: Code: 73. DB::Exception: X. (UNKNOWN_FORMAT) (version 26.9). (UNKNOWN_FORMAT)",
            "Code: 73. DB::Exception: X. (UNKNOWN_FORMAT)",
        ),
        (
            3 * "Code: 6. DB::Exception: " + "x (A) (version 1). (A) (version 1). (A)",
            "Code: 6. DB::Exception: x (A)",
        ),
        (
            "chdb: Code: 60. DB::Exception: Unknown table. (UNKNOWN_TABLE)\n",
            "Code: 60. DB::Exception: Unknown table. (UNKNOWN_TABLE)",
        ),
        (
            "Code: 36. DB::Exception: Code: 47. DB::Exception: No x. (UNKNOWN_IDENTIFIER). (BAD_ARGUMENTS)",
            "Code: 36. DB::Exception: Code: 47. DB::Exception: No x. (UNKNOWN_IDENTIFIER). (BAD_ARGUMENTS)",
        ),
        ("engine is gone", "Code: 1001. DB::Exception: engine is gone (STD_EXCEPTION)"),
    ],
    ids=["wrapped in itself", "twice", "behind other words", "another error inside", "no error of ClickHouse"],
)
def test_wording(engine: str, shown: str) -> None:
    assert QueryError.from_engine(engine).text == shown
