"""Answers that viewers share: asked for once, kept for a time, and no more than so many."""

import threading

import pandas as pd
import pytest

from dashboard.answers import Answers
from dashboard.errors import QueryRejectedError


class Clock:
    """A time that moves when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def counted(asked, name="rows"):
    def ask():
        asked.append(name)
        return pd.DataFrame({"Value": [len(asked)]})

    return ask


def test_an_answer_is_asked_for_once_and_kept_for_its_time():
    clock = Clock()
    asked: list[str] = []
    answers = Answers(10, clock)
    first = answers.get("a", 15, counted(asked))
    clock.now += 14.9
    assert answers.get("a", 15, counted(asked)).equals(first)
    assert len(asked) == 1
    clock.now += 0.1
    assert answers.get("a", 15, counted(asked))["Value"].tolist() == [2]


def test_who_writes_to_an_answer_writes_to_a_copy():
    answers = Answers(10)
    mine = answers.get("a", 60, counted([]))
    mine["More"] = 1
    mine.loc[0, "Value"] = 77
    again = answers.get("a", 60, counted([]))
    assert list(again.columns) == ["Value"]
    assert again["Value"].tolist() == [1]


def test_the_ones_that_were_not_used_for_longest_are_dropped():
    asked: list[str] = []
    answers = Answers(2)
    for key in ("a", "b", "a", "c", "a", "b"):
        answers.get(key, 60, counted(asked, key))
    assert asked == ["a", "b", "c", "b"]


def test_what_is_too_old_is_dropped_when_something_new_comes():
    clock = Clock()
    asked: list[str] = []
    answers = Answers(2, clock)
    answers.get("old", 5, counted(asked, "old"))
    answers.get("lasting", 60, counted(asked, "lasting"))
    clock.now += 6
    answers.get("new", 5, counted(asked, "new"))
    answers.get("lasting", 60, counted(asked, "lasting"))
    assert asked == ["old", "lasting", "new"]


def test_who_asks_for_what_is_being_asked_waits_for_that_answer():
    begun, go_on = threading.Event(), threading.Event()
    asked: list[str] = []
    answers = Answers(10)

    def slow():
        begun.set()
        assert go_on.wait(60)
        return counted(asked)()

    got: list[pd.DataFrame] = []
    threads = [threading.Thread(target=lambda: got.append(answers.get("a", 60, slow))) for _ in range(4)]
    threads[0].start()
    assert begun.wait(60)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert [one["Value"].tolist() for one in got] == [[1]] * 4


def test_a_failure_goes_to_who_asked_and_is_not_kept():
    answers = Answers(10)
    asked: list[str] = []

    def fails():
        raise QueryRejectedError("no")

    with pytest.raises(QueryRejectedError):
        answers.get("a", 60, fails)
    assert answers.get("a", 60, counted(asked))["Value"].tolist() == [1]
