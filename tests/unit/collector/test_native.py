"""The library that decodes OTLP: whatever it is given, it neither fails nor finds what is not there.

That it makes the rows that Python makes is shown on the real store (tests/integration/collector/test_ways.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.errors import SetupError
from collector.native.__main__ import compile_library
from collector.native.library import MAX_BYTES, load
from collector.otlp.signals import Signal
from collector.otlp.traces import TRACES
from tests.support.collector import ROOT, lambda_span, trace_request

_MUTATIONS = 300_000 if os.environ.get("LAMBDASCOPE_SOAK") == "1" else 4_000
_SEED = 20261121


@pytest.fixture(scope="module")
def trapping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library, built to end the process at whatever C leaves undefined."""
    path = tmp_path_factory.mktemp("native") / "trapping.so"
    compile_library(path, "-fsanitize=undefined", "-fsanitize-trap=undefined", "-O1")
    return path


@pytest.mark.soak
@pytest.mark.timeout(3_000)
def test_messages_that_are_not_what_they_should_be_do_no_harm(trapping: Path) -> None:
    command = [sys.executable, "-m", "tests.support.mutated_otlp", str(trapping), str(_SEED), str(_MUTATIONS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    taken, left = map(int, done.stdout.split())
    assert taken + left == _MUTATIONS
    assert min(taken, left) > _MUTATIONS / 20


def test_a_block_that_would_take_too_much_memory_is_left_alone() -> None:
    """A resource of megabytes that thousands of spans repeat; what comes next is taken as ever."""
    decoder = load()[Signal.TRACES]
    small = trace_request([lambda_span("invoke", start_ns=1, duration_ns=1)])
    large = ExportTraceServiceRequest()
    large.CopyFrom(small)
    large.resource_spans[0].resource.attributes.add(key="large").value.string_value = "x" * (1 << 20)
    for _ in range(MAX_BYTES >> 20):
        large.resource_spans[0].scope_spans[0].spans.add()
    assert decoder.block([large.SerializeToString()]) is None
    decoder.shrink()
    block = decoder.block([small.SerializeToString()])
    assert block is not None
    assert (block.rows, block.layout) == (1, TRACES)


def test_a_library_that_is_not_there_says_what_builds_it(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"python -m collector\.native"):
        load(tmp_path / "otlp.so")
