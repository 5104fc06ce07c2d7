"""Scenario files: what is understood, and how each mistake is told."""

from pathlib import Path

import pytest

from emulator import relay
from emulator.errors import ScenarioError, StartupError
from emulator.scenario import load, parse
from emulator.traffic import Bursts, Poisson, Wave

EXAMPLES = Path(__file__).resolve().parents[3] / "emulator" / "examples"


@pytest.fixture
def path(tmp_path):
    (tmp_path / "f").mkdir()
    return tmp_path / "scenario.yaml"


def test_defaults_are_lambdas(path):
    scenario = parse({"functions": {"f": {}}}, path)
    function = scenario.functions["f"]

    assert (function.memory_mb, function.timeout_s, function.version) == (128, 3, "$LATEST")
    assert (function.handler, function.architecture, function.log_format) == ("app.handler", "x86_64", "Text")
    assert (scenario.limits.account_concurrency, scenario.limits.idle_timeout_s) == (1000, 300)
    assert scenario.function_arn("f") == "arn:aws:lambda:eu-west-1:123456789012:function:f"
    assert function.layers is None


def test_traffic_of_every_pattern(path):
    traffic = [
        {"function": "f", "pattern": "poisson", "rate_per_s": 2, "for_s": 3, "payload": {"a": 1}},
        {"function": "f", "pattern": "bursts", "size": 4, "every_s": 5},
        {"function": "f", "pattern": "wave", "least_per_s": 1, "most_per_s": 2, "period_s": 9, "start_s": 1},
    ]

    patterns = parse({"functions": {"f": {}}, "traffic": traffic}, path).traffic

    assert [item.pattern for item in patterns] == [Poisson(2), Bursts(4, 5), Wave(1, 2, 9)]
    assert (patterns[0].payload, patterns[0].for_s, patterns[2].start_s) == ({"a": 1}, 3, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"functons": {}}, "functons: is not known; accepted are account_id, faults, functions, "),
        ({"functions": {}}, "functions: must describe at least one function"),
        ({"functions": {"f": {"memory": 1}}}, "functions.f.memory: is not known; accepted are layers, runtime"),
        (
            {"functions": {"f": {"memory_mb": 64}}},
            "functions.f.memory_mb: must be a whole number from 128 to 10240, not 64",
        ),
        ({"functions": {"f": {"timeout_s": "3"}}}, "functions.f.timeout_s: must be a number from 0.1 to 900, not '3'"),
        ({"functions": {"f": {"runtime": "cobol"}}}, "functions.f.runtime: must be one of python, "),
        (
            {"functions": {"f": {"version": "new"}}},
            "functions.f.version: must be $LATEST or a number in quotes, not 'new'",
        ),
        ({"functions": {"f": {"code": "gone"}}}, "functions.f.code: folder "),
        (
            {"functions": {"f": {"environment": {"A": 1}}}},
            "functions.f.environment.A: must be a text (quote it), not 1",
        ),
        ({"functions": {"f": {"environment": {"_HANDLER": "x"}}}}, "environment._HANDLER: is reserved by Lambda"),
        ({"functions": {"f": []}}, "functions.f: must be a mapping, not []"),
        ({"functions": {"a b": {"code": "f"}}}, "a function's name is 1 to 64 letters, digits, - and _"),
        ({"account_id": "12"}, "account_id: must be twelve digits in quotes, not '12'"),
        ({"limits": {"idle_timeout_s": 0}}, "limits.idle_timeout_s: must be a number from 0.05 to 86400, not 0"),
        ({"traffic": [{"function": "g"}]}, "traffic[0].function: must be one of f, not 'g'"),
        ({"traffic": [{"function": "f", "pattern": "sine"}]}, "traffic[0].pattern: must be one of constant, "),
        (
            {"traffic": [{"function": "f", "pattern": "wave", "least_per_s": 3, "most_per_s": 2, "period_s": 1}]},
            "traffic[0].least_per_s: must not be above most_per_s",
        ),
        ({"sources": {"s": {"kind": "kinesis"}}}, "sources.s.function: must be one of f, not None"),
        ({"sources": {"s": {"kind": "kafka"}}}, "sources.s.kind: must be one of kinesis, dynamodb, sqs, not 'kafka'"),
        ({"sources": {"s": {"kind": "sqs", "shards": 2}}}, "sources.s.shards: is not known; accepted are kind, "),
        (
            {"sources": {"s": {"kind": "kinesis", "function": "f", "on_failure": "queue"}}},
            "sources.s.on_failure: must be one of sqs:NAME, lambda:NAME, sns:NAME, s3:NAME, events:NAME, not 'queue'",
        ),
        (
            {"sources": {"s": {"kind": "sqs", "max_receive_count": 2}}},
            "sources.s.dead_letter_queue: goes with max_receive_count, and neither without it",
        ),
        ({"asynchronous": {"g": {}}}, "asynchronous.g: is no function; accepted are f"),
        (
            {"asynchronous": {"f": {"error_delays_s": 5}}},
            "asynchronous.f.error_delays_s: must be a list of seconds, not 5",
        ),
        ({"traffic": [{"source": "s"}]}, "traffic[0].source: must be one of , not 's'"),
        ({"metrics": {"every_s": 0}}, "metrics.every_s: must be a number from 0.1 to 3600, not 0"),
        (
            {"limits": {"account_concurrency": 5}, "functions": {"f": {"reserved_concurrency": 6}}},
            "together they reserve a concurrency of 6, more than the account's 5",
        ),
    ],
)
def test_a_mistake_is_named_with_what_is_accepted(path, change, message):
    with pytest.raises(ScenarioError) as refused:
        parse({"functions": {"f": {}}, **change}, path)

    assert message in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read(tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe")

    for path, message in ((tmp_path / "none.yaml", "No such file"), (broken, "is not YAML"), (binary, "not UTF-8")):
        with pytest.raises(ScenarioError, match=message) as refused:
            load(path)
        assert str(path) in str(refused.value)


@pytest.mark.parametrize("name", ["demo", "smoke"])
def test_the_examples_are_good_and_need_one_relay(name):
    scenario = load(EXAMPLES / f"{name}.yaml")
    relays = (relay.parse("collector=127.0.0.1:4318"),)

    assert {"checkout", "thumbnails", "orders-stream", "stock"} <= set(scenario.functions)
    for function in scenario.functions.values():
        endpoints = [value for value in function.environment.values() if "relay" in value or "://" in value]
        assert [relay.resolve(value, relays, inside=True) for value in endpoints] == ["http://collector:4318"]


@pytest.mark.parametrize(
    ("spec", "name", "port", "target"),
    [
        ("collector=127.0.0.1:4318", "collector", 4318, 4318),
        ("collector:4318=127.0.0.1:40001", "collector", 4318, 40001),
        ("a.b=localhost:1", "a.b", 1, 1),
    ],
)
def test_relays(spec, name, port, target):
    config = relay.parse(spec)
    assert (config.name, config.port, config.target_port) == (name, port, target)


@pytest.mark.parametrize("spec", ["collector", "collector=4318", "=a:1", "C=a:1", "a=b:0", "a=b:70000", "a:x=b:1"])
def test_wrong_relays(spec):
    with pytest.raises(StartupError, match="--relay"):
        relay.parse(spec)


def test_placeholders():
    relays = [relay.parse("c:4317=h:1"), relay.parse("c:4318=h:2"), relay.parse("d=h:3")]

    assert relay.resolve("http://${relay:c:4318}/x ${relay:d}", relays, inside=True) == "http://c:4318/x d:3"
    assert relay.resolve("http://${relay:c:4318}/x ${relay:d}", relays, inside=False) == "http://h:2/x h:3"
    with pytest.raises(ScenarioError, match=r"has no --relay e=HOST:PORT"):
        relay.resolve("${relay:e}", relays, inside=True)
    with pytest.raises(ScenarioError, match=r"is one of ports 4317, 4318"):
        relay.resolve("${relay:c}", relays, inside=True)
    assert relay.addresses(relays) == {"c": "192.0.2.1", "d": "192.0.2.2"}
