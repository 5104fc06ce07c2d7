"""The library that decodes OTLP: whatever it is given, it neither fails nor finds what is not there.

That it makes the rows that Python makes is shown on the real store (tests/integration/collector/test_ways.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from collector.errors import SetupError
from collector.native.__main__ import compile_library
from collector.native.library import MAX_BYTES, PATH, load, sources_digest
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
    taken, left, counted = map(int, done.stdout.split())
    assert taken + left == _MUTATIONS
    assert min(taken, left, counted) > _MUTATIONS / 20


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
    block = decoder.block([small.SerializeToString()])
    assert block is not None
    assert (block.rows, block.layout) == (1, TRACES)


def test_a_long_text_that_many_records_share_is_looked_at_once() -> None:
    """Compared for each record, megabytes of it would keep the store waiting for hours."""
    logs = ExportLogsServiceRequest()
    group = logs.resource_logs.add(schema_url="r" * (4 << 20))
    group.resource.attributes.add(key="service.name").value.string_value = "s" * (4 << 20)
    scope = group.scope_logs.add(schema_url="u" * (4 << 20))
    scope.scope.version = "v" * (4 << 20)
    body = logs.SerializeToString()
    with_records = ExportLogsServiceRequest.FromString(body)
    with_records.resource_logs[0].resource.Clear()
    with_records.resource_logs[0].scope_logs[0].log_records.extend([LogRecord()] * 500_000)
    block = load()[Signal.LOGS].block([body, with_records.SerializeToString()])
    assert block is not None
    assert block.rows == 500_000


def test_a_library_of_other_sources_is_not_loaded(tmp_path: Path) -> None:
    path, digest = tmp_path / "otlp.so", sources_digest().encode("ascii")
    built = PATH.read_bytes()
    assert digest in built
    path.write_bytes(built.replace(digest, b"0" * len(digest)))
    with pytest.raises(SetupError, match="built of other sources"):
        load(path)


def test_a_library_that_is_not_there_says_what_builds_it(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"python -m collector\.native"):
        load(tmp_path / "otlp.so")


def test_another_library_is_not_taken_for_ours() -> None:
    with pytest.raises(SetupError, match=r"python -m collector\.native"):
        load(Path("libc.so.6"))
