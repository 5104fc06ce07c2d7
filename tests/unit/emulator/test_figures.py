"""Traffic, concurrency, layers and the ledger: small pure parts."""

import io
import itertools
import json
import stat
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.clock import NS_PER_MS, Clock, rfc3339
from emulator.concurrency import peak
from emulator.errors import StartupError
from emulator.layers import external_extensions, merge
from emulator.lifecycle.actions import InvocationDone
from emulator.traffic import Bursts, Constant, Poisson, Wave, arrivals
from emulator.truth import Ledger

INTERVALS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: (min(pair), max(pair))))


@given(INTERVALS)
def test_peak_is_what_counting_every_instant_gives(intervals):
    counted = max((sum(start <= at < end for start, end in intervals) for at in range(41)), default=0)
    assert peak(intervals) == counted


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [([], 0), ([(1, 2), (2, 3)], 1), ([(1, 1)], 0), ([(1, 3), (2, 4)], 2), ([(1, 2)] * 3, 3)],
)
def test_peak_is_half_open(intervals, expected):
    assert peak(intervals) == expected


def first(pattern, until_s, seed=1):
    return list(itertools.takewhile(lambda at_s: at_s < until_s, arrivals(pattern, seed)))


def test_arrivals():
    assert first(Constant(2), 2) == [0, 0.5, 1, 1.5]
    assert first(Bursts(3, 10), 20) == [0, 0, 0, 10, 10, 10]
    assert first(Poisson(5), 100) == first(Poisson(5), 100)
    assert first(Poisson(5), 100) != first(Poisson(5), 100, seed=2)
    assert len(first(Poisson(5), 2000)) == pytest.approx(10_000, rel=0.05)


def test_a_wave_is_densest_in_its_middle():
    times = first(Wave(0, 20, 100), 1000)
    near_trough = sum(min(at_s % 100, 100 - at_s % 100) < 10 for at_s in times)
    near_crest = sum(abs(at_s % 100 - 50) < 10 for at_s in times)

    assert len(times) == pytest.approx(10_000, rel=0.05)
    assert near_crest > 20 * near_trough


def test_times_are_cut_to_milliseconds():
    assert rfc3339(1_716_222_585_008_999_999) == "2024-05-20T16:29:45.008Z"
    clock = Clock()
    assert clock.now_ns() <= clock.now_ns()


def outcome(request_id, busy_start_ms, start_ms, duration_ms, *, cold, status="success"):
    return InvocationDone(
        request_id=request_id,
        cold_start=cold,
        busy_start_ns=round(busy_start_ms * NS_PER_MS),
        start_ns=round(start_ms * NS_PER_MS),
        runtime_done_ms=duration_ms,
        duration_ms=duration_ms,
        billed_ms=1,
        init_ms=None,
        status=status,
        error_type=None,
        memory_mb=128,
        max_memory_used_mb=1,
        traced=False,
    )


def test_the_ledger_counts_and_writes_what_the_telemetry_tells():
    file = io.StringIO()
    ledger = Ledger(file)
    ledger.sandbox_started("f", "i", 0)
    ledger.invocation_done("f", "i", outcome("r1", 0.9, 100.9, 50.25, cold=True))
    ledger.invocation_done("f", "i", outcome("r2", 150.1, 150.1, 10, cold=False, status="timeout"))
    ledger.invocation_done("g", "j", outcome("r3", 120, 120, 1, cold=False))
    ledger.throttled("g", 0, "why")

    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    summary = ledger.summary()

    assert [line["kind"] for line in lines] == ["sandbox_start", "invocation", "invocation", "invocation", "throttle"]
    assert (lines[1]["busy_start_ms"], lines[1]["start_ms"], lines[1]["end_ms"]) == (0, 100, 150.25)
    assert summary["functions"]["f"] == {
        "invocations": 2,
        "cold_starts": 1,
        "sandboxes_started": 1,
        "peak_concurrency": 1,
        "throttles": 0,
        "errors": 1,
        "iterator_age_ms_max": None,
    }
    assert (summary["invocations"], summary["peak_concurrency"], summary["throttles"]) == (3, 2, 1)


def test_layers_are_merged_in_order_with_modes_and_links(tmp_path):
    archive = tmp_path / "one.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        program = zipfile.ZipInfo("extensions/tool")
        program.external_attr = (stat.S_IFREG | 0o755) << 16
        opened.writestr(program, "first")
        opened.writestr("extensions/readme", "no program")
        link = zipfile.ZipInfo("lib/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "../extensions/tool")
    folder = tmp_path / "two"
    (folder / "extensions").mkdir(parents=True)
    (folder / "extensions" / "readme").write_text("replaced")

    merged = tmp_path / "merged"
    merge((archive, folder), merged)

    assert (merged / "lib" / "link").read_text() == "first"
    assert (merged / "extensions" / "readme").read_text() == "replaced"
    assert external_extensions(merged) == ("tool",)
    (merged / "disable-extensions-jwigqn8j").touch()
    assert external_extensions(merged) == ()


def test_wrong_layers_are_named(tmp_path):
    broken = tmp_path / "broken.zip"
    broken.write_text("no archive")

    with pytest.raises(StartupError, match=r"layer .*nowhere does not exist"):
        merge((tmp_path / "nowhere",), tmp_path / "a")
    with pytest.raises(StartupError, match=r"layer .*broken.zip: File is not a zip file"):
        merge((broken,), tmp_path / "b")


def test_an_archive_that_is_damaged_inside_is_named(tmp_path):
    archive = tmp_path / "damaged.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("extensions/x", "text that compresses " * 1000)
    data = bytearray(archive.read_bytes())
    data[50:70] = b"\xff" * 20
    archive.write_bytes(data)

    with pytest.raises(StartupError, match=r"layer .*damaged.zip: "):
        merge((archive,), tmp_path / "merged")
