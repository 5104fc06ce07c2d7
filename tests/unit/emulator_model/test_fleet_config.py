"""Descriptions of fleets, and the command line."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from emulator.fleet import incidents
from emulator.fleet.config import build, load
from emulator.fleet.errors import FleetConfigError
from emulator.fleet.options import parse
from emulator.fleet.profiles import Trigger, generate
from tests.support.fleet import fleet_of

EXAMPLE = Path("emulator/fleet/examples/incidents.yaml")
NOW = datetime(2026, 6, 8, 12, 34, 56, tzinfo=UTC)


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        path: Path = tmp_path / "fleet.yaml"
        path.write_text(text)
        return path

    return write


def test_the_default_fleet_is_300_functions_and_a_week():
    fleet = build(load(None), 1)
    assert (len(fleet.profiles), fleet.days, fleet.incidents) == (300, 7, ())
    assert len({profile.name for profile in fleet.profiles}) == 300
    assert {profile.trigger for profile in fleet.profiles} == set(Trigger)
    assert sum(profile.requests_per_s for profile in fleet.profiles) == pytest.approx(2.0)


def test_the_example_has_five_incidents_each_with_a_function_of_its_own():
    fleet = build(load(EXAMPLE), 1)
    assert len(fleet.profiles) == 300
    assert [one.kind for one in fleet.incidents] == [
        "reserved_limit", "poisoned_shard", "slow_init", "account_limit", "paused_mapping"
    ]  # fmt: skip
    assert len({one.function for one in fleet.incidents}) == 5
    assert fleet.incidents[-1].function == "clickstream-consumer"
    assert all(one.start_h + one.for_min / 60 < fleet.days * 24 for one in fleet.incidents)


def test_the_same_seed_draws_the_same_functions():
    assert list(generate(50, 1.0, 7)) == list(generate(50, 1.0, 7))
    assert list(generate(50, 1.0, 7)) != list(generate(50, 1.0, 8))


@pytest.mark.parametrize(
    ("kind", "more", "functions", "felt_by"),
    [
        ("slow_consumer", {"factor": 50}, {"idle": {"requests_per_s": 0.01}, "busy": {"requests_per_s": 1}}, "busy"),
        (
            "slow_consumer",
            {"factor": 50},
            {"quick": {"requests_per_s": 1, "duration_ms": 5}, "busy": {"requests_per_s": 0.5, "duration_ms": 200}},
            "busy",
        ),
        (
            "slow_consumer",
            {"factor": 50},
            {
                "times out": {"requests_per_s": 9, "duration_ms": 900},
                "busy": {"requests_per_s": 0.5, "duration_ms": 200},
            },
            "busy",
        ),
        (
            "slow_init",
            {"factor": 4},
            {"ended": {"requests_per_s": 9, "init_ms": 4000}, "busy": {"requests_per_s": 1, "init_ms": 400}},
            "busy",
        ),
    ],
)
def test_an_incident_happens_to_whom_it_is_felt_by(kind, more, functions, felt_by):
    described = [{"name": name, "trigger": "kinesis", **function} for name, function in functions.items()]
    fleet = fleet_of({"describe": described, "incidents": [{"kind": kind, "start_h": 0, "for_min": 10, **more}]})
    assert [one.function for one in fleet.incidents] == [felt_by]


@pytest.mark.parametrize("kind", sorted(incidents.KINDS))
def test_every_kind_of_incident_finds_a_function_in_the_default_fleet(kind):
    limits = {"account_concurrency": 10_000}
    fleet = fleet_of({"functions": 300, "limits": limits, "incidents": [{"kind": kind, "start_h": 1, "for_min": 10}]})
    (incident,) = fleet.incidents
    (profile,) = [one for one in fleet.profiles if one.name == incident.function]
    assert profile.trigger in incident.triggers


BAD = [
    ("colour: red", r"fleet\.yaml: colour: is not known"),
    ("limits: {account: 5}", r"limits\.account: is not known"),
    ("functions: 0", r"functions: must be a whole number from 1"),
    ("days: soon", r"days: must be a number"),
    ("limits: {account_concurrency: 0}", r"account_concurrency: must be a whole number"),
    ("describe: [{name: f, memory: 128}]", r"describe\[0\]\.memory: is not known"),
    ("describe: [{memory_mb: 128}]", r"describe\[0\]\.name: must be a text"),
    ("describe: [{name: f, trigger: kafka}]", r"trigger: must be one of direct"),
    ("describe: [{name: f, initialization: provisioned-concurrency}]", r"provisioned_concurrency: must be at least 1"),
    ("describe: [{name: f}, {name: f}]", r"two functions 'f'"),
    ("{functions: 1, describe: [{name: f}, {name: g}]}", r"functions: 1, but 2 are described"),
    ("incidents: [{kind: fire, start_h: 1, for_min: 1}]", r"incidents\[0\]\.kind: must be one of reserved_limit"),
    ("incidents: [{kind: reserved_zero, for_min: 1}]", r"incidents\[0\]\.start_h: must be a number"),
    ("incidents: [{kind: reserved_zero, start_h: 1, for_min: 1, factor: 2}]", r"incidents\[0\]\.factor: is not known"),
    ("incidents: [{kind: reserved_zero, function: nobody, start_h: 1, for_min: 1}]", r"no function 'nobody'"),
    (
        "{describe: [{name: f}], incidents: [{kind: poisoned_shard, function: f, start_h: 1, for_min: 1}]}",
        r"does not fit 'f'; it needs a trigger of dynamodb, kinesis",
    ),
    (
        "{functions: 1, describe: [{name: f}], incidents: [{kind: paused_mapping, start_h: 1, for_min: 1}]}",
        r"no function is left",
    ),
    ("incidents: [{kind: scaling_rate_limit, burst: 1000, start_h: 1, for_min: 1}]", r"burst must be above"),
    ("incidents: [{kind: reserved_limit, reserved: 901, start_h: 1, for_min: 1}]", r"reserved 901 does not fit"),
    ("- a list", r"must be a mapping"),
    ("{", r"fleet .*while parsing"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_what_is_wrong_is_named(written, text, message):
    with pytest.raises(FleetConfigError, match=message):
        build(load(written(text)), 1)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FleetConfigError, match=r"absent\.yaml"):
        load(tmp_path / "absent.yaml")


def test_options_override_the_description(written):
    path = written("{functions: 40, days: 2}")
    options = parse(["--fleet", str(path), "--functions", "30", "--days", "0.5", "--dry-run"], NOW)
    assert (len(options.fleet.profiles), options.fleet.days) == (30, 0.5)
    assert options.start_us == int(datetime(2026, 6, 8, 0, 34, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize("end", ["2026-06-08T00:00:59", "2026-06-08T00:00:00Z", "2026-06-08T02:00:10+02:00"])
def test_the_end_is_cut_to_the_minute(end):
    options = parse(["--functions", "1", "--days", "1", "--end", end, "--dry-run"], NOW)
    assert options.start_us == int(datetime(2026, 6, 7, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to do"),
        (["--otlp", "localhost:4318"], "--otlp: must be an http"),
        (["--firehose", "ftp://x"], "--firehose: must be an http"),
        (["--firehose", "http://x", "--access-key-file", "/nowhere/key"], "--access-key-file: /nowhere/key"),
        (["--rate", "fast", "--dry-run"], "--rate: must be a number"),
        (["--rate", "0", "--dry-run"], "--rate: must be a number"),
        (["--functions", "-3", "--dry-run"], "--functions: must be a number"),
        (["--days", "nan", "--dry-run"], "--days: must be a number"),
        (["--end", "yesterday", "--dry-run"], "--end: must be 'now' or an ISO 8601 time"),
        (["--otlp-header", "token", "--dry-run"], "--otlp-header: must be NAME:VALUE"),
    ],
)
def test_a_wrong_option_is_named(arguments, message):
    with pytest.raises(FleetConfigError, match=message):
        parse(["--functions", "5", *arguments], NOW)


def test_an_example_has_every_incident_there_is():
    fleet = build(load(EXAMPLE.with_name("causes.yaml")), seed=1)

    assert {incident.kind for incident in fleet.incidents} == set(incidents.KINDS)
