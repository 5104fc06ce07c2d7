"""What is asked ahead: only while nobody waits, within a share of the time, and not for who has gone on."""

import threading
from functools import partial

import pytest

from dashboard.errors import QueryRejectedError
from dashboard.lookahead import DRAWS_S, LOADS_S, MOST_VIEWERS, WORTH_S, Budget, Lookahead, Traffic


class Clock:
    """A time that moves when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def traffic(clock):
    return Traffic(clock)


@pytest.fixture
def asked():
    return []


@pytest.fixture
def guess(asked):
    """A guess of some questions, which are noted as they are asked."""

    def make(*names):
        return lambda: (partial(asked.append, name) for name in names)

    return make


@pytest.fixture
def lookahead(traffic, clock):
    return Lookahead(traffic, Budget(1.0, clock=clock), quiet_s=1.0, clock=clock)


def steps(lookahead, most=100):
    """Ask until it says to come later, or so often."""
    for _ in range(most):
        if lookahead.step() > 0:
            return


def test_it_waits_until_nobody_has_waited_for_a_moment(lookahead, traffic, clock, guess, asked):
    with traffic.waiting():
        lookahead.expect("me", [guess("a")])
        clock.now += 30
        steps(lookahead)
        assert asked == []
    clock.now += 0.5
    assert lookahead.step() == pytest.approx(0.5)
    clock.now += 0.5
    steps(lookahead)
    assert asked == ["a"]


def test_it_waits_while_somebody_comes(lookahead, traffic, clock, guess, asked):
    lookahead.expect("me", [guess("a")])
    clock.now += 0.9
    traffic.seen()
    clock.now += LOADS_S + 0.9
    steps(lookahead)
    assert asked == []
    clock.now += 0.1
    steps(lookahead)
    assert asked == ["a"]


def test_who_comes_is_waited_for_until_they_have_what_they_came_for(lookahead, traffic, clock, guess, asked):
    lookahead.expect("me", [guess("a")])
    traffic.seen()
    clock.now += LOADS_S / 2
    with traffic.waiting():
        steps(lookahead)
    clock.now += 0.9
    steps(lookahead)
    assert asked == []
    clock.now += 0.1
    steps(lookahead)
    assert asked == ["a"]


@pytest.mark.parametrize("says", [True, False])
def test_who_draws_is_waited_for_until_they_say_that_they_have(lookahead, traffic, clock, guess, asked, says):
    with traffic.waiting():
        lookahead.expect("me", [guess("a")])
        traffic.draws()
    clock.now += DRAWS_S - 0.1
    steps(lookahead)
    assert asked == []
    if says:
        traffic.drawn()
    else:
        clock.now += 0.1
    steps(lookahead)
    assert asked == ["a"]


def test_it_begins_as_soon_as_it_is_woken(traffic, clock):
    asked = threading.Event()
    lookahead = Lookahead(traffic, Budget(1.0, clock=clock), quiet_s=30.0, clock=clock)
    traffic.draws()
    lookahead.expect("me", [lambda: (asked.set,)])
    threading.Thread(target=lookahead.work, daemon=True).start()
    assert not asked.wait(0.2)
    clock.now += 30
    traffic.drawn()
    assert not asked.wait(0.2)
    lookahead.wake()
    assert asked.wait(5)


def test_who_has_drawn_long_since_puts_nothing_off(lookahead, traffic, clock, guess, asked):
    traffic.draws()
    traffic.drawn()
    clock.now += 0.9
    traffic.drawn()
    lookahead.expect("me", [guess("a")])
    clock.now += 0.1
    steps(lookahead)
    assert asked == ["a"]


def test_it_stops_between_two_questions_when_somebody_asks_in_earnest(lookahead, traffic, clock, asked):
    busy = traffic.waiting()

    def interrupted():
        asked.append("first")
        busy.__enter__()

    lookahead.expect("me", [lambda: (interrupted, partial(asked.append, "second"))])
    clock.now += 1
    steps(lookahead)
    assert asked == ["first"]
    busy.__exit__(None, None, None)
    clock.now += 1
    steps(lookahead)
    assert asked == ["first", "second"]


def test_what_was_expected_of_who_has_gone_on_is_not_asked(lookahead, clock, asked, guess):
    def gone():
        asked.append("first")
        lookahead.dismiss("me")

    lookahead.expect("me", [lambda: (gone, partial(asked.append, "second")), guess("third")])
    clock.now += 1
    steps(lookahead)
    assert asked == ["first"]


def test_a_newer_expectation_takes_the_place_of_the_one_before(lookahead, clock, guess, asked):
    lookahead.expect("me", [guess("old")])
    lookahead.expect("me", [guess("new")])
    clock.now += 1
    steps(lookahead)
    assert asked == ["new"]


def test_the_likeliest_of_each_viewer_comes_first_and_the_newest_viewer_before_the_others(
    lookahead, clock, guess, asked
):
    lookahead.expect("me", [guess("my 1st", "its 2nd question"), guess("my 2nd")])
    lookahead.expect("you", [guess("your 1st"), guess("your 2nd")])
    clock.now += 1
    steps(lookahead)
    assert asked == ["your 1st", "my 1st", "its 2nd question", "your 2nd", "my 2nd"]


def test_a_guess_is_forgotten_when_it_has_waited_for_long(lookahead, clock, guess, asked):
    lookahead.expect("me", [guess("a")])
    clock.now += WORTH_S
    steps(lookahead)
    assert asked == []


def test_nothing_is_asked_for_who_has_left(lookahead, clock, guess, asked):
    there = {"me", "you"}
    lookahead.expect("you", [guess("yours")], lambda: "you" in there)
    lookahead.expect("me", [guess("mine", "my other")], lambda: "me" in there)
    clock.now += 1
    lookahead.step()
    there.remove("me")
    steps(lookahead)
    assert asked == ["mine", "yours"]


def test_only_so_many_viewers_are_guessed_about(lookahead, clock, guess, asked):
    for number in range(MOST_VIEWERS + 5):
        lookahead.expect(number, [guess(number)])
    clock.now += 1
    steps(lookahead, 10 * MOST_VIEWERS)
    assert sorted(asked) == list(range(5, MOST_VIEWERS + 5))


def test_it_takes_no_more_than_its_share_of_the_time(traffic, clock):
    lookahead = Lookahead(traffic, Budget(0.1, saved_s=3.0, clock=clock), quiet_s=0.0, clock=clock)
    asked = []

    def slow():
        asked.append(clock.now)
        clock.now += 1.0

    began = clock.now
    while clock.now < began + 100:
        lookahead.expect("me", [lambda: (slow,)])
        wait_s = lookahead.step()
        clock.now += wait_s
    assert 3 + 9 <= len(asked) <= 3 + 11
    assert lookahead.spent_s == len(asked)


def test_without_a_share_nothing_is_asked(traffic, clock, guess, asked):
    lookahead = Lookahead(traffic, Budget(0.0, clock=clock), quiet_s=0.0, clock=clock)
    lookahead.expect("me", [guess("a")])
    clock.now += 1
    steps(lookahead)
    assert asked == []


def test_a_question_that_fails_ends_what_is_asked_for_that_viewer_alone(lookahead, clock, guess, asked):
    def fails():
        raise QueryRejectedError("no")

    lookahead.expect("you", [guess("yours")])
    lookahead.expect("me", [lambda: (fails,), guess("mine")])
    clock.now += 1
    steps(lookahead)
    assert asked == ["yours"]


def test_it_works_by_itself_and_outlives_what_nobody_expected(caplog):
    lookahead = Lookahead(Traffic(), Budget(1.0), quiet_s=0.0)
    threading.Thread(target=lookahead.work, daemon=True).start()
    done = threading.Event()

    def broken():
        raise ValueError("a mistake of ours")

    lookahead.expect("me", [lambda: (broken,)])
    while "asking ahead failed" not in caplog.text:
        assert not done.wait(0.01)
    lookahead.expect("me", [lambda: (done.set,)])
    assert done.wait(60)
