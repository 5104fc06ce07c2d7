"""The journal: what was written is read again, and what is not ours is left alone."""

import posix

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extension import records as r
from extension import state
from extension.attempts import Attempt
from extension.batches import BatchQueue
from extension.diagnostics import Diagnostics
from extension.init_runs import InitRun
from extension.journal import Journal, boot_id
from extension.state import Counts

HEADER = state.first_line("boot-1", "127.0.0.1:9001", "orders:$LATEST")
ID = "6f1c0000-0000-4000-8000-000000000001"


def attempt(number=1, request_id=ID, started=True):
    found = Attempt(request_id, number)
    found.invoked_ns = 1_000
    found.invoke = r.Invoke(request_id=request_id, deadline_ms=30_000.0, invoked_arn="arn:x", tracing="Root=1-2-3")
    if started:
        found.start = r.Start(time_ns=900, request_id=request_id)
        found.waited = True
        run = InitRun("on-demand", restore=False)
        run.start = r.InitStart(time_ns=500, restore=False)
        run.waited = True
        found.runs = [run]
    return found


@pytest.fixture
def said(tmp_path):
    with (tmp_path / "said").open("w+") as file:
        yield file


@pytest.fixture
def make(tmp_path, said):
    def journal(header=HEADER, path=None):
        return Journal(str(path or tmp_path / "state"), header, Diagnostics(said.fileno()))

    return journal


def lines(said):
    said.seek(0)
    return said.read().splitlines()


def test_the_next_process_knows_what_this_one_knew(make, said):
    first = make()
    queue = BatchQueue(1 << 20, Counts(4, 40, 2))
    first.count("spans", queue)
    first.settled("sandbox-1", "sandbox-1", 1, given=True)
    first.began(attempt())
    first.ended(attempt(), 2_000)
    first.began(attempt(2))
    queue.add(b"item")
    first.counted()

    remembered = make().recall()
    assert (remembered.lives, remembered.instance_id, remembered.instance_given) == (1, "sandbox-1", True)
    assert remembered.counts == {"spans": Counts(4, 41, 2)}
    assert [(a.request_id, a.number, a.closed) for a in remembered.attempts] == [(ID, 1, True), (ID, 2, False)]
    ended, opened = remembered.attempts
    assert (ended.done.time_ns, ended.sent) == (2_000, True)
    assert (opened.done, opened.sent, opened.invoked_ns, opened.start_ns) == (None, False, 1_000, 900)
    assert (opened.arn, opened.tracing, opened.invoke.deadline_ms) == ("arn:x", "Root=1-2-3", 30_000.0)
    assert (opened.waited, [run.start_ns for run in opened.runs]) == (True, [500])
    assert lines(said) == []


def test_lives_are_counted_and_a_reason_is_of_one_life_only(make):
    for life in range(1, 4):
        journal = make()
        remembered = journal.recall()
        assert (remembered.lives if remembered else 0) == life - 1
        assert (remembered.reason if remembered else "timeout") == "timeout"
        journal.began(attempt(life))
        journal.ending("timeout")
    make().recall()
    assert make().recall().reason == ""


def test_nothing_is_written_before_something_happens(make, tmp_path):
    """A SnapStart snapshot is taken before the first invocation: its clones must not share a journal."""
    journal = make()
    journal.count("spans", BatchQueue(1 << 20))
    assert journal.recall() is None
    assert not (tmp_path / "state").exists()


def test_the_end_of_the_sandbox_leaves_nothing(make, tmp_path):
    journal = make()
    journal.began(attempt())
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o600
    journal.forget()
    assert list(tmp_path.glob("state*")) == []


def test_a_function_that_tidies_up_tmp_costs_nothing(make, tmp_path):
    journal = make()
    queue = BatchQueue(1 << 20, Counts(4, 40, 2))
    journal.count("spans", queue)
    journal.settled("sandbox-1", "sandbox-1", 1, given=True)
    journal.began(attempt())
    (tmp_path / "state").unlink()
    queue.add(b"item")
    journal.counted()
    remembered = make().recall()
    assert (remembered.instance_id, remembered.counts) == ("sandbox-1", {"spans": Counts(4, 41, 2)})
    assert [(a.request_id, a.closed) for a in remembered.attempts] == [(ID, False)]


def test_the_file_is_bounded_and_stays_true(make, tmp_path):
    journal = make()
    journal.settled("sandbox-1", "sandbox-1", 1, given=False)
    for number in range(2_000):
        journal.began(attempt(request_id=f"request-{number}"))
        journal.ended(attempt(request_id=f"request-{number}"), 2_000)
        assert (tmp_path / "state").stat().st_size < (1 << 16) + 2_000
    journal.began(attempt(request_id="last"))
    remembered = make().recall()
    assert remembered.attempts[-1].request_id == "last"
    assert remembered.attempts[-2].request_id == "request-1999"
    assert len(remembered.attempts) == 64
    assert remembered.instance_id == "sandbox-1"


@pytest.mark.parametrize(
    "header",
    [state.first_line("boot-2", "127.0.0.1:9001", "orders:$LATEST"),
     state.first_line("boot-1", "127.0.0.1:9002", "orders:$LATEST"),
     state.first_line("boot-1", "127.0.0.1:9001", "orders:7")],
    ids=["boot", "address", "version"],
)  # fmt: skip
def test_a_journal_of_something_else_is_not_read_and_gives_way(make, header):
    other = make(header)
    other.began(attempt())
    journal = make()
    assert journal.recall() is None
    journal.began(attempt(7))
    assert [a.number for a in make().recall().attempts] == [7]


@pytest.mark.parametrize(
    "text",
    ["", "lambdascope 2 x y z\n", HEADER + "open 1\n", HEADER + "ended x 1 id\n", HEADER + "what 1\n",
     HEADER + "instance a maybe\n", HEADER + "count spans 1 2\n", HEADER + "open 1 - - - 7 - id - -\n", HEADER + "\n"],
)  # fmt: skip
def test_what_makes_no_sense_is_dropped(make, tmp_path, text):
    (tmp_path / "state").write_text(text)
    assert make().recall() is None


def test_a_line_without_its_end_was_being_written_when_the_process_was_killed(make, tmp_path):
    make().began(attempt())
    with (tmp_path / "state").open("a") as file:
        file.write("ended 1 20")
    assert [a.closed for a in make().recall().attempts] == [False]


def test_a_symbolic_link_is_neither_followed_nor_written_through(make, tmp_path, said):
    real = tmp_path / "elsewhere"
    make(path=real).began(attempt())
    before = real.read_bytes()
    (tmp_path / "state").symlink_to(real)
    journal = make()
    assert journal.recall() is None
    journal.began(attempt(2))
    assert real.read_bytes() == before
    assert not (tmp_path / "state").is_symlink()
    assert lines(said) == []


@pytest.mark.parametrize("kind", ["fifo", "hard link", "directory", "huge"])
def test_what_is_no_file_of_ours_is_not_read(make, tmp_path, kind):
    path = tmp_path / "state"
    if kind == "fifo":
        posix.mkfifo(path)
    elif kind == "hard link":
        make(path=tmp_path / "elsewhere").began(attempt())
        path.hardlink_to(tmp_path / "elsewhere")
    elif kind == "directory":
        path.mkdir()
    else:
        path.write_text(HEADER + "life 1\n" * 30_000)
    assert make().recall() is None


def test_where_nothing_can_be_written_one_line_says_so(make, tmp_path, said):
    journal = make(path=tmp_path / "missing" / "state")
    journal.settled("sandbox-1", "sandbox-1", 1, given=True)
    journal.began(attempt())
    journal.ended(attempt(), 2_000)
    [line] = lines(said)
    assert line.startswith(f"lambdascope: {tmp_path}/missing/state: No such file")


def test_a_full_disk_leaves_no_journal_that_is_not_true(make, said):
    """/dev/full takes the place of a /tmp that has become full."""
    journal = make()
    journal.began(attempt())
    full = posix.open("/dev/full", posix.O_WRONLY)
    posix.dup2(full, journal._fd)
    posix.close(full)
    journal.ended(attempt(), 2_000)
    journal.began(attempt(2))
    assert make().recall() is None
    [line] = lines(said)
    assert "No space left" in line


def test_switched_off_there_is_no_file(tmp_path, said):
    journal = Journal("", HEADER, Diagnostics(said.fileno()))
    assert journal.recall() is None
    journal.began(attempt())
    journal.ending("timeout")
    assert list(tmp_path.glob("state*")) == []


@given(st.text(max_size=300), st.text(max_size=80), st.one_of(st.none(), st.text(max_size=80)))
def test_whatever_the_platform_says_the_journal_stays_readable(request_id, arn, tracing):
    """What cannot stand in a line is left out; what has no request id is not remembered."""
    odd = Attempt(request_id, 1)
    odd.invoke = r.Invoke(request_id=request_id, invoked_arn=arn, tracing=tracing)
    text = HEADER + state.opened(odd)
    assert text.count("\n") == 2
    remembered = state.parse(text, HEADER, 64)
    if remembered is not None:
        assert [a.request_id for a in remembered.attempts] == [request_id]


def test_the_boot_is_known_here():
    assert len(boot_id()) == 36
    assert boot_id("/nowhere") == ""
