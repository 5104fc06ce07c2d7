"""docs/emulator.md says what the emulator does."""

import io
import json
import re
from pathlib import Path

import pytest
import yaml

from emulator import cli
from emulator.lifecycle.actions import InitDone, InvocationDone
from emulator.scenario import parse
from emulator.truth import Ledger

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "emulator.md").read_text(encoding="utf-8")


def test_the_scenario_of_the_documentation_is_good(tmp_path):
    (tmp_path / "checkout").mkdir()
    block = re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert block is not None

    scenario = parse(yaml.safe_load(block[1]), tmp_path / "scenario.yaml")

    assert scenario.functions["checkout"].reserved_concurrency == 10
    assert scenario.traffic[0].for_s == 30


def test_the_sources_of_the_documentation_are_good(tmp_path):
    blocks = re.findall(r"```yaml\n(sources:.*?)```", TEXT, re.DOTALL)
    functions = {name: {"code": "."} for name in ("checkout", "stock")}

    scenario = parse({"functions": functions, **yaml.safe_load(blocks[0])}, tmp_path / "scenario.yaml")

    assert list(scenario.sources.sources) == ["orders", "unbookable", "buried"]
    assert scenario.sources.asynchronous.of("checkout").on_success == "lambda:stock"


def test_every_option_is_documented(capsys):
    with pytest.raises(SystemExit):
        cli.parse(["--help"])

    options = set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help"}
    table = set(re.findall(r"^\| `?.*$", TEXT, re.MULTILINE))
    assert {option for option in options if not any(option in row for row in table)} == set()


def test_every_key_of_the_record_is_documented():
    file = io.StringIO()
    ledger = Ledger(file)
    ledger.sandbox_started("f", "i", 0)
    ledger.init_done("f", "i", InitDone("init", 0, 1, 1.0, "error", "e"))
    ledger.invocation_done(
        "f",
        "i",
        InvocationDone(
            request_id="r",
            cold_start=True,
            busy_start_ns=0,
            start_ns=0,
            runtime_done_ms=1.0,
            duration_ms=1.0,
            billed_ms=1,
            init_ms=1.0,
            status="error",
            error_type="e",
            memory_mb=1,
            max_memory_used_mb=1,
            traced=False,
        ),
    )
    ledger.throttled("f", 0, "why")
    ledger.batch("f", "orders", "r", 1, 1.0)
    ledger.given_up("f", "orders", "r", "RetryAttemptsExhausted", 1)
    ledger.event_ended("f", "r", "Success", 1)
    ledger.delivered("f", "orders", "sqs:q", "{}", is_delivered=True)
    ledger.sandbox_ended("f", "i", 0, "spindown", 1)

    for line in map(json.loads, file.getvalue().splitlines()):
        row = re.search(rf"^\| {line['kind']} \| (.*) \|$", TEXT, re.MULTILINE)
        assert row is not None
        documented = set(re.findall(r"[a-z_]+", row[1])) | {"kind", "function", "instance_id"}
        assert set(line) <= documented
