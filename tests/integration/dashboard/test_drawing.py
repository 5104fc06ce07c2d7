"""One drawing of a page: what it makes of results is made once for all who look at the same, and belongs to each."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from dashboard.config import SQL_URL
from dashboard.filters import Choices
from dashboard.ui.page import Run

MADE: list[str] = []


@pytest.fixture(autouse=True)
def _endpoint(seeded, monkeypatch):
    monkeypatch.setenv(SQL_URL.env, seeded.sql_url)
    MADE.clear()


@pytest.fixture
def drawing(everything, window):
    """Somebody's drawing of the whole fleet, or of some of its functions, by a clock that may have gone on."""

    def draw(*functions, later=timedelta()):
        chosen = Choices(replace(everything, functions=functions))
        return Run(chosen, replace(window, now=window.now + later), "fleet", ZoneInfo("UTC"))

    return draw


def names(rows, window, more=""):
    MADE.append(more)
    return rows[["FunctionName"]].drop_duplicates().assign(Of=window.bucket_s, More=more)


def both(parts, more):
    MADE.append(more)
    return pd.concat(parts), more


def asked(run):
    return run.query("fleet_functions", span_s=int(run.window.span_s))


def test_what_is_made_of_an_answer_is_made_once_for_all_who_look_at_the_same(drawing):
    mine, theirs = drawing(), drawing(later=timedelta(milliseconds=1))
    first = mine.made(names, asked(mine), mine.window, "shared")
    again = theirs.made(names, asked(theirs), theirs.window, "shared")
    assert MADE == ["shared"]
    assert first.equals(again)
    assert not first.empty


def test_other_arguments_and_other_functions_make_it_anew(drawing):
    run, some = drawing(), drawing("checkout-api")
    everything = run.made(names, asked(run), run.window, "one")
    run.made(names, asked(run), run.window, "two")
    only = some.made(names, asked(some), some.window, "one")
    assert MADE == ["one", "two", "one"]
    assert only["FunctionName"].tolist() == ["checkout-api"]
    assert len(everything) > 1


def test_who_writes_to_what_was_made_or_asked_writes_to_a_copy(drawing):
    run = drawing()
    mine = run.made(names, asked(run), run.window, "written")
    mine["FunctionName"] = "mine"
    frame, _ = run.made(both, [asked(run)], "written")
    frame["FunctionName"] = "mine"
    rows = asked(run)
    rows["FunctionName"] = "mine"
    assert "mine" not in asked(run)["FunctionName"].to_list()
    assert "mine" not in run.made(names, asked(run), run.window, "written")["FunctionName"].to_list()
    assert "mine" not in run.made(both, [asked(run)], "written")[0]["FunctionName"].to_list()
    assert MADE == ["written", "written"]


def test_what_was_made_is_an_argument_like_what_was_asked(drawing):
    for run in (drawing(), drawing()):
        made = run.made(names, asked(run), run.window, "inner")
        run.made(both, [made, asked(run)], "outer")
    assert MADE == ["inner", "outer"]


def test_of_a_frame_of_ones_own_it_is_made_each_time(drawing):
    run = drawing()
    for _ in range(2):
        run.made(names, asked(run).head(1), run.window, "own")
    assert MADE == ["own", "own"]
