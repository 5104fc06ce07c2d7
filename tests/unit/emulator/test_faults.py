"""Faults of a scenario: what is held back until when, and what is drawn."""

from pathlib import Path

import pytest

from emulator import scenario
from emulator.errors import ScenarioError
from emulator.faults import FaultsConfig, InvocationFaults, RelayFault, active, draw
from emulator.telemetry import records
from emulator.telemetry.ordering import Ordering

LIFE = [
    records.INIT_START,
    records.INIT_RUNTIME_DONE,
    records.INIT_REPORT,
    records.START,
    "INVOKE",
    records.RUNTIME_DONE,
    records.REPORT,
    records.START,
    "INVOKE",
    records.RUNTIME_DONE,
    records.REPORT,
    "STOP",
]


def order(**faults):
    """In which order the records of two invocations go, with what they wait for in between."""
    ordering: Ordering[int] = Ordering(FaultsConfig(**faults))
    seen = []
    for number, kind in enumerate(LIFE):
        if kind == "INVOKE":
            seen += [kind, *ordering.invoked()]
        elif kind == "STOP":
            seen += [kind, *ordering.stopping()]
        else:
            seen += ordering.pass_on(kind, number)
    return seen


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ({}, [0, 1, 2, 3, "INVOKE", 5, 6, 7, "INVOKE", 9, 10, "STOP"]),
        ({"late_init": True}, [3, "INVOKE", 0, 1, 2, 5, 6, 7, "INVOKE", 9, 10, "STOP"]),
        ({"report": "next"}, [0, 1, 2, 3, "INVOKE", 5, 7, "INVOKE", 6, 9, "STOP", 10]),
        ({"report": "never"}, [0, 1, 2, 3, "INVOKE", 5, 7, "INVOKE", 9, "STOP"]),
        ({"batch_invocations": 2}, ["INVOKE", "INVOKE", "STOP", 0, 1, 2, 3, 5, 6, 7, 9, 10]),
    ],
)
def test_what_is_held_back_until_when(faults, expected):
    assert order(**faults) == expected


def test_the_same_seed_draws_the_same():
    config = FaultsConfig(kill_extension=0.3, out_of_memory=0.2, time_out=0.1)

    drawn = [draw(config, 7, "f", number) for number in range(2000)]

    assert drawn == [draw(config, 7, "f", number) for number in range(2000)]
    assert drawn != [draw(config, 8, "f", number) for number in range(2000)]
    shares = [sum(getattr(one, name) for one in drawn) / 2000 for name in InvocationFaults.__slots__]
    assert shares == pytest.approx([0.3, 0.2, 0.1], abs=0.04)


def test_a_relay_fault_has_its_time():
    refused, slow = RelayFault("refuse", 5, 10, 0), RelayFault("delay", 0, None, 50)

    assert [active((refused, slow), at_s) for at_s in (0, 5, 14.9, 15)] == [slow, refused, refused, slow]


def parse(tmp_path: Path, **members):
    (tmp_path / "f").mkdir(exist_ok=True)
    return scenario.parse({"functions": {"f": members.pop("function", {})}, **members}, tmp_path / "s.yaml")


def test_a_function_adds_to_the_faults_of_all(tmp_path):
    parsed = parse(tmp_path, faults={"report": "never"}, function={"faults": {"time_out": 0.5}})

    assert parsed.functions["f"].faults == FaultsConfig(report="never", time_out=0.5)


@pytest.mark.parametrize(
    ("faults", "complaint"),
    [
        ({"reprot": "never"}, "faults.reprot: is not known"),
        ({"report": "later"}, "faults.report: must be one of usual, next, never, not 'later'"),
        ({"time_out": 2}, "faults.time_out: must be a number from 0 to 1, not 2"),
        ({"relay": [{"kind": "burn"}]}, r"faults.relay\[0\].kind: must be one of refuse, drop, delay"),
    ],
)
def test_complaints_name_the_field(tmp_path, faults, complaint):
    with pytest.raises(ScenarioError, match=complaint.replace("faults", r"(f\.)?faults", 1)):
        parse(tmp_path, function={"faults": faults})
