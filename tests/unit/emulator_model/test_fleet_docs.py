"""docs/fleet.md names everything that fleet mode accepts."""

import dataclasses
import re
from pathlib import Path

import pytest

from emulator.fleet import options
from emulator.fleet.incidents import KINDS, Incident
from emulator.fleet.profiles import Profile, Trigger
from emulator.metrics import FORMATS
from emulator.model import Cause, InitType, Limits, Reason

DOCS = (Path(__file__).parents[3] / "docs" / "fleet.md").read_text()
COMMON = {field.name for field in dataclasses.fields(Incident)}


def names(record, *, without=frozenset()) -> list[str]:
    return [field.name for field in dataclasses.fields(record) if field.name not in without]


def test_every_option_is_there():
    offered = set(re.findall(r"--[a-z-]+", options._parser().format_help())) - {"--help"}
    assert offered == set(re.findall(r"^\| `(--[a-z-]+)", DOCS, re.MULTILINE))


FIELDS = [
    *names(Profile, without={"initialization"}),
    "initialization",
    *(name.replace("_ns", "_s") for name in names(Limits)),
    *COMMON,
    *(name for incident, _ in KINDS.values() for name in names(incident)),
    *KINDS,
    *Trigger,
    *InitType,
    *FORMATS,
]


@pytest.mark.parametrize("field", sorted(set(FIELDS)))
def test_every_field_and_word_is_there(field):
    assert f"`{field}`" in DOCS


@pytest.mark.parametrize("word", [*Cause, *Reason])
def test_every_cause_and_reason_is_in_the_table(word):
    assert re.search(rf"\| {word} ", DOCS)
