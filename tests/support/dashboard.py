"""A fleet with a known truth: invocations, sandboxes and phases, and the spans that the layer would have sent for them.

The same seed and the same clock give the same fleet. What a page must show is counted from :class:`Fleet`, never from
the SQL under test. At the end: a collector that holds the fleet, and a dashboard that reads it.
"""

from __future__ import annotations

import hashlib
import math
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from semconv import attributes as attr
from semconv import phases
from tests.support.collector import ROOT, running_collector

MS = 1_000_000
SECOND = 1_000 * MS
IDLE_TIMEOUT_NS = 240 * SECOND
ACCOUNT = "123456789012"
REGION = "eu-west-1"


@dataclass(frozen=True, slots=True)
class Function:
    """How one function of the fleet behaves."""

    name: str
    rate_per_s: float
    median_ms: float
    spread: float = 0.4
    """Sigma of the log-normal duration."""
    burst: float = 1.0
    """Factor on the rate during a burst (one minute in ten)."""
    init_ms: float = 300.0
    error_share: float = 0.0
    timeout_share: float = 0.0
    timeout_ms: float = 15_000.0
    memory_mb: int = 256
    version: str = "$LATEST"


FLEET = (
    Function("auth-token", 1.1, 18, init_ms=160, memory_mb=128),
    Function("checkout-api", 0.5, 180, burst=6, init_ms=620, error_share=0.02, memory_mb=512, version="14"),
    Function("orders-stream", 0.25, 420, init_ms=380, error_share=0.01, memory_mb=512, version="7"),
    Function("pdf-render", 0.06, 2_600, spread=0.7, burst=8, init_ms=2_400, timeout_share=0.03, memory_mb=1024),
    Function("thumbnailer", 0.12, 750, spread=0.6, burst=10, init_ms=1_350, error_share=0.03, memory_mb=1024),
    Function("nightly-report", 0.003, 8_000, init_ms=900, memory_mb=512),
)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One attempt, as the platform would report it. Instants are nanoseconds since the epoch."""

    function: Function
    request_id: str
    instance_id: str
    start_ns: int
    runtime_done_ns: int
    end_ns: int
    init_start_ns: int | None
    """Start of the init that this invocation waited for; None on a warm one."""
    extension_init_end_ns: int | None
    init_end_ns: int | None
    status: str
    error_type: str
    max_memory_mb: int

    @property
    def cold(self) -> bool:
        return self.init_start_ns is not None

    @property
    def busy_start_ns(self) -> int:
        return self.start_ns if self.init_start_ns is None else self.init_start_ns

    @property
    def duration_ms(self) -> float:
        return (self.end_ns - self.start_ns) / MS

    @property
    def init_duration_ms(self) -> float | None:
        if self.init_start_ns is None or self.init_end_ns is None:
            return None
        return (self.init_end_ns - self.init_start_ns) / MS

    @property
    def billed_ms(self) -> int:
        return math.ceil(self.duration_ms + (self.init_duration_ms or 0.0))


@dataclass(slots=True)
class Sandbox:
    """One execution environment of the fleet."""

    instance_id: str
    function: Function
    init_start_ns: int
    free_at_ns: int
    invocations: list[Invocation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that happened between two instants."""

    begin_ns: int
    end_ns: int
    sandboxes: tuple[Sandbox, ...]

    @property
    def invocations(self) -> list[Invocation]:
        return sorted((i for s in self.sandboxes for i in s.invocations), key=attrgetter("start_ns"))

    def peak(self, function: str | None = None, begin_ns: int | None = None, end_ns: int | None = None) -> int:
        """The highest number of sandboxes busy at once, by a full sweep over whole milliseconds."""
        low = (self.begin_ns if begin_ns is None else begin_ns) // MS
        high = (self.end_ns if end_ns is None else end_ns) // MS
        steps: dict[int, int] = {}
        for one in self.invocations:
            if function not in (None, one.function.name):
                continue
            busy, free = max(one.busy_start_ns // MS, low), min(one.end_ns // MS, high)
            if busy < free:
                steps[busy] = steps.get(busy, 0) + 1
                steps[free] = steps.get(free, 0) - 1
        level = peak = 0
        for instant in sorted(steps):
            level += steps[instant]
            peak = max(peak, level)
        return peak


def simulate(begin_ns: int, end_ns: int, *, functions: Iterable[Function] = FLEET, seed: int = 7) -> Fleet:
    """Run the fleet between two instants: Poisson arrivals, one invocation per sandbox at a time."""
    sandboxes: list[Sandbox] = []
    for function in functions:
        random_ = random.Random(f"{seed}/{function.name}")
        pool: list[Sandbox] = []
        for arrival_ns in _arrivals(function, begin_ns, end_ns, random_):
            idle = [s for s in pool if s.free_at_ns <= arrival_ns < s.free_at_ns + IDLE_TIMEOUT_NS]
            if idle:
                sandbox, cold = max(idle, key=attrgetter("free_at_ns")), False
            else:
                sandbox, cold = Sandbox(_hex(random_, 32), function, arrival_ns, arrival_ns), True
                pool.append(sandbox)
            invocation = _invoke(sandbox, arrival_ns, random_, cold=cold)
            sandbox.invocations.append(invocation)
            sandbox.free_at_ns = invocation.end_ns
        sandboxes += pool
    return Fleet(begin_ns, end_ns, tuple(sandboxes))


def _arrivals(function: Function, begin_ns: int, end_ns: int, random_: random.Random) -> Iterator[int]:
    now = begin_ns
    while True:
        minute = now // (60 * SECOND)
        bursting = minute % 10 == sum(map(ord, function.name)) % 10
        rate = function.rate_per_s * (function.burst if bursting else 1.0)
        now += int(random_.expovariate(rate) * SECOND)
        if now >= end_ns:
            return
        yield now


def _invoke(sandbox: Sandbox, arrival_ns: int, random_: random.Random, *, cold: bool) -> Invocation:
    function = sandbox.function
    init_start = extension_end = init_end = None
    start = arrival_ns
    if cold:
        init_start = arrival_ns
        extension_end = init_start + int(random_.uniform(9, 24) * MS)
        init_end = extension_end + int(function.init_ms * random_.lognormvariate(0, 0.18) * MS)
        start = init_end + int(random_.uniform(1, 4) * MS)
    duration_ms = function.median_ms * random_.lognormvariate(0, function.spread)
    luck, status, error_type = random_.random(), "success", ""
    if luck < function.timeout_share:
        duration_ms, status, error_type = function.timeout_ms, "timeout", "timeout"
    elif luck < function.timeout_share + function.error_share:
        duration_ms, status, error_type = duration_ms * 0.6, "error", "Function.ValueError"
    runtime_done = start + int(duration_ms * MS)
    end = runtime_done + int(random_.uniform(0.6, 3.5) * MS)
    memory = int(function.memory_mb * min(0.98, random_.uniform(0.35, 0.6) + (0.3 if status == "timeout" else 0)))
    return Invocation(
        function,
        _uuid(random_),
        sandbox.instance_id,
        start,
        runtime_done,
        end,
        init_start,
        extension_end,
        init_end,
        status,
        error_type,
        memory,
    )


def _hex(random_: random.Random, digits: int) -> str:
    return f"{random_.getrandbits(4 * digits):0{digits}x}"


def _uuid(random_: random.Random) -> str:
    text = _hex(random_, 32)
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


Attributes = dict[str, str | int | float | bool]
SOURCES = {phases.EXTENSION_INIT: "proc", phases.RUNTIME_AND_FUNCTION_INIT: "proc"}

# The spans of docs/span-model.md -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """One span of the span model."""

    function: Function
    instance_id: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start_ns: int
    end_ns: int
    attributes: Attributes
    ok: bool = True

    @property
    def phase(self) -> str:
        return str(self.attributes[attr.PHASE])

    @property
    def resource(self) -> dict[str, str | int]:
        name, version = self.function.name, self.function.version
        return {
            attr.CLOUD_ACCOUNT_ID: ACCOUNT,
            attr.CLOUD_PLATFORM: "aws_lambda",
            attr.CLOUD_PROVIDER: "aws",
            attr.CLOUD_REGION: REGION,
            attr.CLOUD_RESOURCE_ID: f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}:{version}",
            attr.FAAS_INSTANCE: self.instance_id,
            attr.FAAS_MAX_MEMORY: self.function.memory_mb * 1_048_576,
            attr.FAAS_NAME: name,
            attr.FAAS_VERSION: version,
            attr.HOST_ARCH: "amd64",
            attr.SERVICE_NAME: name,
            attr.TELEMETRY_DISTRO_NAME: "lambdascope",
            attr.TELEMETRY_DISTRO_VERSION: "0.1.0",
        }


def trace_id(request_id: str) -> str:
    """The trace of an invocation that X-Ray did not name."""
    return hashlib.sha256(request_id.encode()).hexdigest()[:32]


def spans(one: Invocation) -> list[Span]:
    """Every span that the layer sends for one invocation, its cold start included."""
    invoke = _span_id(one, phases.INVOKE)

    def span(phase: str, begin_ns: int, end_ns: int, parent: str, more: Attributes | None = None) -> Span:
        about: Attributes = {attr.PHASE: phase, attr.PHASE_SOURCE: SOURCES.get(phase, "telemetry")}
        about[attr.FAAS_INVOCATION_ID], about[attr.ATTEMPT] = one.request_id, 1
        about |= more or {}
        failed = one.status != "success" and phase in (phases.INVOKE, phases.POST_RUNTIME)
        if failed:
            about[attr.ERROR_TYPE] = one.error_type
        name = one.function.name if phase == phases.INVOKE else phase
        ids = trace_id(one.request_id), _span_id(one, phase), parent
        return Span(one.function, one.instance_id, *ids, name, begin_ns, end_ns, about, ok=not failed)

    answered = one.start_ns + int((one.runtime_done_ns - one.start_ns) * 0.93)
    streamed = answered + (one.runtime_done_ns - answered) // 3
    out = [span(phases.INVOKE, one.start_ns, one.runtime_done_ns, "", _invoke_attributes(one))]
    if one.status == "success":
        out += [
            span(phases.RESPONSE_LATENCY, one.start_ns, answered, invoke),
            span(phases.RESPONSE_DURATION, answered, streamed, invoke),
            span(phases.RUNTIME_OVERHEAD, streamed, one.runtime_done_ns, invoke),
        ]
    out.append(span(phases.POST_RUNTIME, one.runtime_done_ns, one.end_ns, invoke, _report_attributes(one)))
    if one.init_start_ns is not None and one.extension_init_end_ns is not None and one.init_end_ns is not None:
        init = _span_id(one, phases.INIT)
        out += [
            span(phases.INIT, one.init_start_ns, one.init_end_ns, invoke, {attr.INITIALIZATION_TYPE: "on-demand"}),
            span(phases.EXTENSION_INIT, one.init_start_ns, one.extension_init_end_ns, init),
            span(phases.RUNTIME_AND_FUNCTION_INIT, one.extension_init_end_ns, one.init_end_ns, init),
        ]
    return out


def _invoke_attributes(one: Invocation) -> Attributes:
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{one.function.name}"
    return {
        attr.FAAS_COLDSTART: one.cold,
        attr.INITIALIZATION_TYPE: "on-demand",
        attr.INVOKED_ARN: arn,
        attr.STATUS: one.status,
        attr.BUSY_START_UNIX_NANO: one.busy_start_ns,
        attr.RUNTIME_VERSION: "python:3.12.v38",
        attr.PRODUCED_BYTES: 512,
    }


def _report_attributes(one: Invocation) -> Attributes:
    about: Attributes = {
        attr.STATUS: one.status,
        attr.DURATION_MS: round(one.duration_ms, 3),
        attr.BILLED_DURATION_MS: one.billed_ms,
        attr.MEMORY_SIZE_MB: one.function.memory_mb,
        attr.MAX_MEMORY_USED_MB: one.max_memory_mb,
    }
    if one.init_duration_ms is not None:
        about[attr.INIT_DURATION_MS] = round(one.init_duration_ms, 3)
    return about


def _span_id(one: Invocation, phase: str) -> str:
    return hashlib.sha256(f"{one.request_id}/{one.instance_id}/1/{phase}".encode()).hexdigest()[:16]


def log_lines(one: Invocation) -> list[tuple[int, str, str]]:
    """(instant, severity, line) of what the function wrote: one line, and a second where it failed."""
    lines = [(one.start_ns + MS, "INFO", f"start {one.function.name}")]
    if one.status != "success":
        lines.append((one.runtime_done_ns - MS, "ERROR", f"{one.error_type}: the order has no lines"))
    return lines


# OTLP ----------------------------------------------------------------------------------------------------------------


def traces_request(all_spans: Iterable[Span]) -> ExportTraceServiceRequest:
    """One OTLP request that holds these spans, one resource per sandbox."""
    request = ExportTraceServiceRequest()
    for _, group in groupby(sorted(all_spans, key=attrgetter("instance_id")), key=attrgetter("instance_id")):
        members = list(group)
        resource_spans = request.resource_spans.add()
        resource_spans.resource.attributes.extend(_key_values(members[0].resource))
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name = "lambdascope"
        scope_spans.spans.extend(_wire_span(span) for span in members)
    return request


def logs_request(invocations: Iterable[Invocation]) -> ExportLogsServiceRequest:
    """One OTLP request with what these invocations wrote."""
    request = ExportLogsServiceRequest()
    for one in invocations:
        resource_logs = request.resource_logs.add()
        resource_logs.resource.attributes.extend(_key_values(spans(one)[0].resource))
        scope_logs = resource_logs.scope_logs.add()
        for instant_ns, severity, line in log_lines(one):
            record = scope_logs.log_records.add()
            record.time_unix_nano = instant_ns
            record.severity_text = severity
            record.body.string_value = line
            record.trace_id = bytes.fromhex(trace_id(one.request_id))
            record.attributes.extend(_key_values({attr.FAAS_INVOCATION_ID: one.request_id}))
    return request


def _wire_span(span: Span) -> trace_pb2.Span:
    code = trace_pb2.Status.STATUS_CODE_OK if span.ok else trace_pb2.Status.STATUS_CODE_ERROR
    kind = trace_pb2.Span.SPAN_KIND_SERVER if span.phase == phases.INVOKE else trace_pb2.Span.SPAN_KIND_INTERNAL
    return trace_pb2.Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        name=span.name,
        kind=kind,
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=_key_values(span.attributes),
        status=trace_pb2.Status(code=code),
    )


def _key_values(values: Mapping[str, str | int | float | bool]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_any_value(value)) for name, value in sorted(values.items())]


def _any_value(value: str | float | bool) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value)


# A collector that holds the fleet ------------------------------------------------------------------------------------

MINUTES = 20


@dataclass(frozen=True, slots=True)
class Seeded:
    """A running collector and the fleet that it holds."""

    sql_url: str
    fleet: Fleet
    begin: datetime
    """Of a window that holds the whole fleet, in whole minutes."""
    end: datetime

    @property
    def query(self) -> dict[str, str]:
        """The choices that show all of it."""
        return {"range": "custom", "from": f"{self.begin:%Y-%m-%dT%H:%M:%S}Z", "to": f"{self.end:%Y-%m-%dT%H:%M:%S}Z"}


@contextmanager
def seeded_collector() -> Iterator[Seeded]:
    """A real collector with a fleet of the last half hour, sent to it over OTLP.

    The fleet begins at a multiple of ten minutes, which makes it the same one at every run.
    """
    ten_minutes = 600 * SECOND
    begin_ns = (time.time_ns() - 30 * 60 * SECOND) // ten_minutes * ten_minutes
    fleet = simulate(begin_ns, begin_ns + MINUTES * 60 * SECOND)
    begin = datetime.fromtimestamp(begin_ns / SECOND, UTC)
    with running_collector() as collector:
        base = collector.addresses.http_url
        for some in batches(fleet.invocations, 500):
            _post(f"{base}/v1/traces", traces_request(span for one in some for span in spans(one)))
            _post(f"{base}/v1/logs", logs_request(some))
        sql_url = collector.addresses.sql_url
        _wait_for(sql_url, len(fleet.invocations))
        yield Seeded(sql_url, fleet, begin, begin + timedelta(minutes=MINUTES + 2))


def batches(items: Sequence[Invocation], size: int) -> Iterator[Sequence[Invocation]]:
    """The items in order, so many at a time."""
    for at in range(0, len(items), size):
        yield items[at : at + size]


def _post(url: str, message: ExportTraceServiceRequest | ExportLogsServiceRequest) -> None:
    headers = {"content-type": "application/x-protobuf"}
    request = urllib.request.Request(url, data=message.SerializeToString(), headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def _wait_for(sql_url: str, invocations: int) -> None:
    # The rows of an insert become visible one table after the other.
    query = urllib.parse.quote(
        "SELECT least((SELECT count() FROM lambda_phases WHERE Phase = 'post_runtime'), "
        "(SELECT countIf(NOT EndEstimated) FROM lambda_invocations)) * "
        "((SELECT max(LastInvoke) FROM lambda_sandbox_parts) = (SELECT max(Start) FROM lambda_invocation_parts))"
    )
    give_up_at = time.monotonic() + 60
    while True:
        with urllib.request.urlopen(f"{sql_url}/?query={query}", timeout=30) as answer:
            stored = int(answer.read().strip().replace(b"\\N", b"0"))
        if stored >= invocations:
            return
        assert time.monotonic() < give_up_at, f"{stored} of {invocations} invocations stored after a minute"
        time.sleep(0.1)


# The dashboard -------------------------------------------------------------------------------------------------------


@contextmanager
def running_dashboard(
    sql_url: str, settings: Mapping[str, str] | None = None, *, port: int | None = None
) -> Iterator[str]:
    """A real dashboard that reads there; its address.

    Args:
        sql_url: the endpoint.
        settings: further variables of its environment.
        port: where it listens; a free one if not said.
    """
    with dashboard_process(sql_url, settings, port=port) as (url, _):
        yield url


@contextmanager
def dashboard_process(
    sql_url: str, settings: Mapping[str, str] | None = None, *, port: int | None = None
) -> Iterator[tuple[str, int]]:
    """Like :func:`running_dashboard`; its address and the id of its process."""
    chosen = port or free_port()
    command = dashboard_command(chosen)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=dashboard_environ({"LAMBDASCOPE_SQL_URL": sql_url, **(settings or {})}),
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{chosen}"
            _wait_until_up(url, process)
            yield url, process.pid
        finally:
            process.terminate()
            process.wait(30)


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dashboard_command(port: int, address: str = "127.0.0.1") -> list[str]:
    """What starts a dashboard there."""
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.headless=true"]
    return [*command, f"--server.address={address}", f"--server.port={port}", "--server.fileWatcherType=none"]


def dashboard_environ(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAMBDASCOPE_", "STREAMLIT_"))}
    return {**kept, **settings}


def _wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        assert process.poll() is None, "the dashboard ended at its start"
        assert time.monotonic() < give_up_at, "the dashboard is not up after a minute"
        time.sleep(0.1)
