"""How statements are asked: about which parts of a window, and what their text must hold for that."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.charts.frames import OTHERS
from dashboard.questions import MOST_DAYS_AT_A_TIME, QUESTIONS, question
from dashboard.sql import LONG, QUERIES, statement
from dashboard.timeaxis import absolute_window

END = datetime(2026, 11, 21, 8, 6, tzinfo=UTC)


def window(days):
    return absolute_window(END - timedelta(days=days), END, END + timedelta(hours=3))


def limits(name):
    return [int(found) for found in re.findall(r"^LIMIT (\d+)$", statement(name), re.MULTILINE)]


def test_what_adds_the_smaller_ones_up_is_known_to_do_so():
    adds_up = {name for name in QUESTIONS if f"'{OTHERS}'" in statement(name)}
    assert {name for name, one in QUESTIONS.items() if one.of_largest} == adds_up


@pytest.mark.parametrize("name", [name for name, one in QUESTIONS.items() if one.of_each])
def test_what_is_asked_about_all_functions_says_of_each_row_whose_it_is_and_how_many_there_may_be(name):
    for one in (name, LONG.get(name, name)):
        assert "FunctionName" in statement(one)
        assert limits(one) == ([QUESTIONS[name].limit] if QUESTIONS[name].limit else [])


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_has_its_statement(name):
    assert statement(name)


def test_the_parts_of_a_window_are_as_long_as_the_question_allows():
    assert [len(question(name).parts(window(7))) for name in ("incidents_of_streams", "invocations_stopped")] == [
        len(window(7).parts(days)) for days in (MOST_DAYS_AT_A_TIME, 1)
    ]


@pytest.mark.parametrize("name", ["invocations_stopped", "mappings_stopped"])
def test_pauses_are_looked_for_in_the_newest_days(name):
    parts = question(name).parts(window(30))
    assert parts[-1].end == END
    assert timedelta(days=8) <= END - parts[0].begin < timedelta(days=9)
    assert question("incidents_of_streams").parts(window(30))[0].begin <= window(30).begin


@pytest.mark.parametrize(("name", "one"), [(name, one) for name, one in QUESTIONS.items() if one.reads])
def test_what_reads_the_newest_days_alone_has_one_answer_for_all_that_end_then(name, one):
    assert f"{{to:DateTime64(3, 'UTC')}} - toIntervalDay({one.reads.days})" in statement(name)
    assert one.read(window(7)).begin == one.read(window(30)).begin == END - one.reads
    assert one.read(window(0.5)) == window(0.5)


def test_what_reads_causes_is_known_to_do_so():
    reads = {path.stem for path in QUERIES.glob("*.sql") if "_causes_between" in path.read_text(encoding="utf-8")}
    assert {name for name, one in QUESTIONS.items() if one.of_causes} == reads
