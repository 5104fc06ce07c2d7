"""What a function finds is the same with the layer and without it: nothing of ours leaks into its runtime."""

from __future__ import annotations

import json

import pytest

from tests.support.emulator import running
from tests.support.layer import layer_zip

pytestmark = pytest.mark.layer

HANDLER = """
import os, sys

def handler(event, context):
    return {
        "environment": dict(os.environ),
        "path": sys.path,
        "modules": sorted(sys.modules),
        "descriptors": len(os.listdir("/proc/self/fd")),
    }
"""
OF_THE_SANDBOX = {
    "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_FUNCTION_NAME", "_X_AMZN_TRACE_ID",
    # Without root a sandbox has a port and a folder of its own.
    "AWS_LAMBDA_RUNTIME_API", "TMPDIR",
}  # fmt: skip
"""Variables that differ between any two sandboxes or functions."""


def test_environment_search_path_modules_and_descriptors_are_the_same(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code/app.py").write_text(HANDLER)
    common = {"code": "code", "memory_mb": 256, "environment": {"OTEL_SERVICE_NAME": "mine"}}
    functions = {"bare": {**common, "layers": []}, "watched": {**common, "layers": [str(layer_zip())]}}
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(json.dumps({"functions": functions}))
    with running("--scenario", scenario) as emulator:
        bare, watched = (emulator.invoke(name)[2] for name in functions)
    for found in (bare, watched):
        assert found["environment"]["OTEL_SERVICE_NAME"] == "mine"
        for name in OF_THE_SANDBOX:
            found["environment"].pop(name, None)
    assert watched == bare
