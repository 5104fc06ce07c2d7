"""Answers that viewers share: asked for once, kept for a time, and no more than so many."""

import threading
import time
from dataclasses import dataclass

import pandas as pd
import pytest

from dashboard.answers import Answer, Answers, nbytes
from dashboard.errors import QueryRejectedError


class Clock:
    """A time that moves when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def kept(most=10, clock=time.monotonic, most_bytes=1 << 30):
    return Answers(most, most_bytes, nbytes, clock)


def counted(asked, name="rows"):
    def ask():
        asked.append(name)
        return pd.DataFrame({"Value": [len(asked)]})

    return ask


def test_an_answer_is_asked_for_once_and_kept_for_its_time():
    clock = Clock()
    asked: list[str] = []
    answers = kept(clock=clock)
    first = answers.get("a", 15, counted(asked))
    clock.now += 14.9
    again = answers.get("a", 15, counted(asked))
    assert again.value is first.value
    assert again.number == first.number
    assert len(asked) == 1
    clock.now += 0.1
    anew = answers.get("a", 15, counted(asked))
    assert anew.value["Value"].tolist() == [2]
    assert anew.number != first.number


def test_who_would_not_wait_gets_what_is_there():
    clock = Clock()
    answers = kept(clock=clock)
    assert answers.known("a") is None
    first = answers.get("a", 15, counted([]), guess=True)
    assert answers.known("a", guess=True) == first
    assert answers.guessed_right == 0
    assert answers.known("a") == first
    assert (answers.guesses, answers.guessed_right, answers.asked) == (1, 1, 0)
    clock.now += 15
    assert answers.known("a") is None


def test_who_would_not_wait_does_not_wait_for_what_is_being_asked():
    answers = kept()
    seen: list[object] = []
    answers.get("a", 15, lambda: seen.append(answers.known("a")))
    assert seen == [None]


def test_guesses_make_room_for_what_somebody_looked_at():
    asked: list[str] = []
    answers = kept(most=4)
    for key in ("a", "b"):
        answers.get(key, 60, counted(asked, key))
    for key in ("guess 1", "guess 2", "guess 3"):
        answers.get(key, 60, counted(asked, key), guess=True)
    answers.get("guess 3", 60, counted(asked, "found"))
    for key in ("c", "a", "b", "guess 3"):
        answers.get(key, 60, counted(asked, key))
    assert asked == ["a", "b", "guess 1", "guess 2", "guess 3", "c"]
    assert (answers.guesses, answers.guessed_right, answers.asked) == (3, 1, 3)


def test_guesses_take_a_part_of_the_room_only():
    answers = kept(most=10)
    for key in range(20):
        answers.get(key, 60, counted([]), guess=True)
    asked: list[str] = []
    for key in range(20):
        answers.get(key, 60, counted(asked, str(key)), guess=True)
    assert len(asked) == 20
    one = nbytes(counted([])())
    answers = kept(most_bytes=4 * one)
    for key in range(4):
        answers.get(key, 60, counted([]), guess=True)
    assert answers.nbytes == 2 * one


def test_to_guess_again_does_not_make_an_answer_one_that_was_used_last():
    asked: list[str] = []
    answers = kept(most=2)
    answers.get("a", 60, counted(asked, "a"))
    answers.get("b", 60, counted(asked, "b"))
    answers.get("a", 60, counted(asked, "a"), guess=True)
    answers.get("c", 60, counted(asked, "c"))
    answers.get("b", 60, counted(asked, "b"))
    assert asked == ["a", "b", "c"]


def test_more_bytes_than_are_allowed_are_not_kept():
    asked: list[str] = []
    one = nbytes(counted([])())
    answers = kept(most_bytes=2 * one)
    for key in ("a", "b", "a", "c", "a", "b"):
        answers.get(key, 60, counted(asked, key))
    assert asked == ["a", "b", "c", "b"]
    assert answers.nbytes == 2 * one


def test_what_is_larger_than_all_may_be_is_handed_out_all_the_same():
    asked: list[str] = []
    answers = kept(most_bytes=1)
    assert answers.get("a", 60, counted(asked)).value["Value"].tolist() == [1]
    assert answers.get("b", 60, counted(asked)).value["Value"].tolist() == [2]
    assert answers.get("a", 60, counted(asked)).value["Value"].tolist() == [3]


@dataclass(frozen=True, slots=True)
class Made:
    rows: pd.DataFrame
    words: str = "of no weight"


def test_the_size_of_what_is_made_is_that_of_all_its_parts():
    frame = pd.DataFrame({"Value": range(1000)})
    assert nbytes(frame) >= 8000
    assert 2 * nbytes(frame) < nbytes((frame, Made(frame), None, 7)) < 2 * nbytes(frame) + 1000
    assert nbytes({"spec": [{"title": "x" * 5000}, {"values": list(range(100))}]}) > 5000 + 100 * 28


def test_the_ones_that_were_not_used_for_longest_are_dropped():
    asked: list[str] = []
    answers = kept(2)
    for key in ("a", "b", "a", "c", "a", "b"):
        answers.get(key, 60, counted(asked, key))
    assert asked == ["a", "b", "c", "b"]


def test_what_is_too_old_is_dropped_when_something_new_comes():
    clock = Clock()
    asked: list[str] = []
    answers = kept(2, clock)
    answers.get("old", 5, counted(asked, "old"))
    answers.get("lasting", 60, counted(asked, "lasting"))
    clock.now += 6
    answers.get("new", 5, counted(asked, "new"))
    answers.get("lasting", 60, counted(asked, "lasting"))
    assert asked == ["old", "lasting", "new"]


def test_who_asks_for_what_is_being_asked_waits_for_that_answer():
    begun, go_on = threading.Event(), threading.Event()
    asked: list[str] = []
    answers = kept()

    def slow():
        begun.set()
        assert go_on.wait(60)
        return counted(asked)()

    got: list[Answer[pd.DataFrame]] = []
    threads = [threading.Thread(target=lambda: got.append(answers.get("a", 60, slow))) for _ in range(4)]
    threads[0].start()
    assert begun.wait(60)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert [one.value["Value"].tolist() for one in got] == [[1]] * 4


def test_a_failure_goes_to_who_asked_and_is_not_kept():
    answers = kept()
    asked: list[str] = []

    def fails():
        raise QueryRejectedError("no")

    with pytest.raises(QueryRejectedError):
        answers.get("a", 60, fails)
    assert answers.get("a", 60, counted(asked)).value["Value"].tolist() == [1]
