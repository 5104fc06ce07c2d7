"""Limits, and sandboxes that no request waits for."""

import json

import pytest

from tests.support.emulator import wait_for


@pytest.mark.parametrize(
    ("limits", "settings", "reason"),
    [
        ({}, {"reserved_concurrency": 0}, "ReservedFunctionConcurrentInvocationLimitExceeded"),
        (
            {"requests_per_s_per_concurrency": 1},
            {"reserved_concurrency": 1},
            "ReservedFunctionInvocationRateLimitExceeded",
        ),
        ({"requests_per_s_per_concurrency": 1, "account_concurrency": 1}, {}, "FunctionInvocationRateLimitExceeded"),
    ],
)
def test_what_is_over_a_limit_is_told_why(start, limits, settings, reason):
    """Source: "Understanding concurrency": requests per second are ten times the concurrency, here once."""
    emulator = start(limits=limits, **settings)

    answers = [emulator.invoke("f", {}) for _ in range(2)]

    refused = next(answer for answer in answers if answer[0] == 429)
    assert refused[1]["x-amzn-errortype"] == "TooManyRequestsException"
    assert (refused[2]["Reason"], refused[2]["Type"]) == (reason, "User")


def test_provisioned_sandboxes_wait_for_requests(start, layer, tmp_path):
    """Source: "Configuring provisioned concurrency": initialised ahead, and of an initialization type of its own."""
    record = tmp_path / "record"
    emulator = start("--layer", layer, "--record", record, version="7", provisioned_concurrency=2)
    wait_for(lambda: [one["phase"] for one in emulator.sandboxes()] == ["ready"] * 2, "both to be ready")

    environment = emulator.invoke("f", {})[2]["environment"]
    emulator.stop()

    assert environment["AWS_LAMBDA_INITIALIZATION_TYPE"] == "provisioned-concurrency"
    kinds = {start["record"]["initializationType"] for start in emulator.telemetry("platform.initStart")}
    assert kinds == {"provisioned-concurrency"}
    metrics = emulator.telemetry("platform.report")[0]["record"]["metrics"]
    assert "initDurationMs" not in metrics
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    invocation = next(line for line in lines if line["kind"] == "invocation")
    assert invocation["cold_start"] is False


def test_a_proactive_init_is_on_demand_and_makes_no_cold_start(start):
    """Source: "Lambda execution environment lifecycle", proactive initialisation."""
    emulator = start(proactive_sandboxes=1)
    wait_for(lambda: [one["phase"] for one in emulator.sandboxes()] == ["ready"], "the init")

    environment = emulator.invoke("f", {})[2]["environment"]
    emulator.wait_idle()

    assert environment["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
    counted = emulator.summary()
    assert (counted["sandboxes_started"], counted["cold_starts"]) == (1, 0)


def test_a_sandbox_that_is_too_old_is_replaced(start):
    emulator = start(limits={"lifetime_s": 0.05})
    first = emulator.invoke("f", {"sleep": 0.1})[2]["environment"]["AWS_LAMBDA_LOG_STREAM_NAME"]
    wait_for(lambda: not emulator.sandboxes(), "the end of the old sandbox")

    assert emulator.invoke("f", {})[2]["environment"]["AWS_LAMBDA_LOG_STREAM_NAME"] != first
