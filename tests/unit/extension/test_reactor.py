"""The reactor with pipes in the place of sockets."""

import os
import threading
from collections.abc import Iterator

import pytest

from extension.reactor import Doorbell, Reactor


def never(trouble: Exception) -> None:
    raise AssertionError("an exception out of a handler") from trouble


class Pipe:
    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()

    def say(self) -> None:
        os.write(self.write_end, b"x")

    def close(self) -> None:
        os.close(self.read_end)
        os.close(self.write_end)


@pytest.fixture
def pipes() -> Iterator[tuple[Pipe, Pipe]]:
    first, second = Pipe(), Pipe()
    yield first, second
    first.close()
    second.close()


def test_what_fails_is_told_and_not_listened_to_any_longer_and_the_others_are_served(
    pipes: tuple[Pipe, Pipe],
) -> None:
    broken, sound = pipes
    troubles: list[Exception] = []
    heard: list[int] = []
    reactor = Reactor(troubles.append)

    def fail(fd: int) -> None:
        raise ValueError(fd)

    reactor.add(broken.read_end, fail)
    reactor.add(sound.read_end, lambda fd: heard.append(len(os.read(fd, 1))))
    broken.say()
    sound.say()
    reactor.run_once(5)
    assert [type(trouble) for trouble in troubles] == [ValueError]
    assert heard == [1]
    reactor.run_once(0)  # the byte is still there: it would fail again
    assert len(troubles) == 1


def test_what_was_removed_in_this_very_round_is_not_called(pipes: tuple[Pipe, Pipe]) -> None:
    called: list[int] = []
    reactor = Reactor(never)

    def remove_the_other(fd: int) -> None:
        called.append(fd)
        for pipe in pipes:
            if pipe.read_end != fd:
                reactor.remove(pipe.read_end)

    for pipe in pipes:
        reactor.add(pipe.read_end, remove_the_other)
        pipe.say()
    reactor.run_once(5)
    assert len(called) == 1


def test_waits_until_what_was_waited_for_or_the_time_is_up(pipes: tuple[Pipe, Pipe]) -> None:
    pipe, _ = pipes
    heard: list[bytes] = []
    reactor = Reactor(never)
    reactor.add(pipe.read_end, lambda fd: heard.append(os.read(fd, 1)))
    assert not reactor.run_until(lambda: bool(heard), 0.0)
    pipe.say()
    assert reactor.run_until(lambda: bool(heard), None)


def test_ticks_between_waits(pipes: tuple[Pipe, Pipe]) -> None:
    ticks: list[int] = []

    def tick() -> float:
        ticks.append(1)
        return 0.0

    assert Reactor(never, tick).run_until(lambda: len(ticks) == 3, None)


def test_the_doorbell_wakes_it_from_another_thread() -> None:
    bell = Doorbell()
    rung: list[int] = []

    def heard(fd: int) -> None:
        bell.heard(fd)
        rung.append(fd)

    reactor = Reactor(never)
    reactor.add(bell.fd, heard)
    thread = threading.Thread(target=bell.ring)
    thread.start()
    assert reactor.run_until(lambda: bool(rung), None)
    thread.join()
    reactor.run_once(0)  # heard once, and silent from then on
    bell.heard(bell.fd)  # nor does it harm that nobody rang
    assert rung == [bell.fd]
    os.close(bell.fd)
