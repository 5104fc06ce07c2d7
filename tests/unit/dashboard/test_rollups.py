"""Which rollups a statement reads, and what it is where all of them hold."""

import re
from datetime import UTC, datetime

import pytest

from dashboard import sql
from dashboard.rollups import HOLD_FOR_S, Held, Span, of_held, span_of

OF_ROLLUPS = "-- What it answers.\n-- rollups: of the window\nSELECT 1"
ASKS = re.compile(r"\blambda_(?:counts|inits|concurrency|concurrency_peaks)\(\s*from = (.+?),\s*to = (.+?),\s*bucket_s")
READ = {
    name: found
    for name in sorted(path.stem for path in sql.QUERIES.glob("*.sql"))
    if (found := ASKS.findall(sql.statement(name)))
}
"""Of each statement that asks a view of rollups: from when and until when."""
FROM, TO = "{from:DateTime64(3, 'UTC')}", "{to:DateTime64(3, 'UTC')}"
BEFORE = {
    "fleet_functions_long": ("span_s", f"{FROM} - toIntervalSecond({{span_s:UInt32}})"),
    "init_by_version_long": ("86400", f"{FROM} - toIntervalDay(1)"),
}
LONGER = {"runtime_functions"}
"""A month, whatever is asked for, which hardly ever holds to its last minute."""


def params(begin: str, end: str, **more: object) -> dict[str, object]:
    return {"from": f"2026-03-01 {begin}", "to": f"2026-03-01 {end}", **more}


def at(hour: int) -> datetime:
    return datetime(2026, 3, 1, hour, tzinfo=UTC)


@pytest.mark.parametrize("name", sorted(READ.keys() - LONGER))
def test_a_statement_says_of_which_time_it_reads_rollups(name: str) -> None:
    before, earliest = BEFORE.get(name, ("0", FROM))
    begins, ends = ({" ".join(one.split()) for one in said} for said in zip(*READ[name], strict=True))
    assert begins <= {FROM, earliest}
    assert ends <= {FROM, TO}
    said = f"-- rollups: of the window{'' if before == '0' else f' and {before} s before it'}"
    assert re.search(f"^{said}(, or \\w+)?$", sql.statement(name), re.MULTILINE)


def test_no_other_says_so() -> None:
    assert {
        path.stem for path in sql.QUERIES.glob("*.sql") if "\n-- rollups: " in path.read_text()
    } == READ.keys() - LONGER


@pytest.mark.parametrize(
    ("begin", "end", "more", "hours"),
    [
        ("04:00:00.000", "10:00:00.000", {}, (4, 10)),
        ("04:01:00.000", "09:01:00.000", {}, (4, 10)),
        ("04:01:00.000", "09:01:00.000", {"bucket_s": 300}, (4, 10)),
        ("04:01:00.000", "09:01:00.000", {"bucket_s": 10800}, (3, 12)),
        ("04:00:00.000", "10:00:00.000", {"bucket_s": 5400}, (3, 11)),
    ],
)
def test_it_reads_the_hours_that_its_buckets_reach_into(begin, end, more, hours) -> None:
    assert span_of(OF_ROLLUPS, params(begin, end, **more)) == Span(at(hours[0]), at(hours[1]))


def test_it_may_read_what_was_before_its_window() -> None:
    for said in ("7200", "span_s"):
        text = OF_ROLLUPS.replace("window", f"window and {said} s before it")
        assert span_of(text, params("04:30:00.000", "06:00:00.000", span_s=7200)) == Span(at(2), at(6))


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("-- What it answers.\nSELECT 1", params("04:00:00.000", "10:00:00.000")),
        (OF_ROLLUPS, params("04:00:00.001", "10:00:00.000")),
        (OF_ROLLUPS, params("04:00:00.000", "10:00:30.000")),
        (OF_ROLLUPS, params("04:00:00.000", "10:00:00.000", bucket_s=10)),
    ],
    ids=["none", "begins within a minute", "ends within a minute", "buckets of seconds"],
)
def test_of_parts_of_minutes_rollups_know_nothing(text: str, given: dict[str, object]) -> None:
    assert span_of(text, given) is None


def test_where_they_hold_the_views_of_them_are_asked() -> None:
    text = "FROM lambda_concurrency(from = 1) JOIN lambda_concurrency_peaks(1) JOIN lambda_counts(1), lambda_inits(1)"
    held = (
        "FROM lambda_concurrency_held(from = 1) JOIN lambda_concurrency_peaks_held(1) JOIN lambda_counts_held(1), "
        "lambda_inits_held(1)"
    )
    assert of_held(f"{text}, lambda_costs(1)", sql.statement) == f"{held}, lambda_costs(1)"


@pytest.mark.parametrize("name", sorted(READ))
def test_or_the_statement_that_stands_for_it_and_is_given_the_same(name: str) -> None:
    text = sql.statement(name)
    instead = re.search(r"^-- rollups: .*, or (\w+)$", text, re.MULTILINE)
    held = of_held(text, sql.statement)
    assert not ASKS.search(held)
    if instead:
        assert held == sql.statement(instead[1])
        given = [set(re.findall(r"\{\w+:\w+", one)) for one in (held, text)]
        assert given[0] <= given[1]


def test_what_was_found_is_believed_for_a_moment() -> None:
    held, asked = Held(), []

    def find(answer: bool) -> bool:
        asked.append(answer)
        return answer

    span = Span(at(1), at(2))
    assert held.get(span, lambda: find(True), now=10)
    assert held.get(span, lambda: find(False), now=10 + HOLD_FOR_S - 0.1)
    assert not held.get(Span(at(1), at(3)), lambda: find(False), now=10)
    assert not held.get(span, lambda: find(False), now=10 + HOLD_FOR_S)
    assert asked == [True, False, False]
    assert len(held.found) == 1
