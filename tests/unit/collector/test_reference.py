"""Prices and runtimes: the packaged files, the schema made of them, and what is said of a bad one."""

from datetime import date
from pathlib import Path

import pytest

import collector
from collector.errors import SetupError
from collector.reference.files import PRICES, RUNTIMES, kind_of, packaged, rows
from collector.reference.schema import schema

HEADING = "as_of\tregion\titem\tarchitecture\tfrom_units\tprice\n"


def test_the_schema_is_made_of_the_files():
    path = Path(collector.__file__).parent / "schema" / "0041_lambda_reference.sql"
    assert path.read_text(encoding="utf-8") == schema(), "run: python -m collector.reference > that file"


def test_every_price_that_costs_need_is_there():
    known = {(region, item, architecture) for _, region, item, architecture, start, _ in packaged(PRICES) if start == 0}
    assert {("", "request", ""), ("", "gb_second", "amd64"), ("", "gb_second", "arm64")} <= known


def test_dates_of_runtimes_are_in_their_order():
    for _, runtime, deprecation, create, update, _ in packaged(RUNTIMES):
        if isinstance(create, date) and isinstance(update, date):
            assert create <= update, runtime
        assert isinstance(deprecation, date), runtime


def test_successors_are_runtimes_and_the_newest_have_none():
    known = {row[1]: row[5] for row in packaged(RUNTIMES)}
    for runtime, successor in known.items():
        assert successor == "" or known[successor] == "", runtime


def test_the_heading_says_what_a_file_is():
    assert kind_of(f"# of today\n{HEADING}") is PRICES
    with pytest.raises(
        SetupError, match=r"the heading is 'a b', and needs to be, with tabs between: as_of region item"
    ):
        kind_of("a\tb\n")
    with pytest.raises(SetupError, match="the heading is ''"):
        kind_of("")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2026-13-01\t\trequest\t\t0\t1", "line 3: as_of is '2026-13-01', and needs a date such as 2026-11-21"),
        ("2026-11-21\t\tcoffee\t\t0\t1", "line 3: item is 'coffee', and needs one of request, gb_second"),
        ("2026-11-21\t\tgb_second\tx86\t0\t1", "line 3: architecture is 'x86', and needs one of nothing, amd64, arm64"),
        ("2026-11-21\t\trequest\t\t0\t-1", "line 3: price is '-1', and needs a number of 0 or more"),
        ("2026-11-21\t\trequest\t\t0", "line 3: 5 columns, and 6 are needed"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(line, said):
    with pytest.raises(SetupError, match=said):
        rows(PRICES, f"{HEADING}# a comment\n{line}\n")
