"""A run in which everything goes wrong around the extension, and the judgement of what it lost.

What was delivered to the extension is what the emulator posted to it, by the emulator's own record. What was stored,
dropped and missing is what the collector's tables say.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from deploy.local.invoke import invoke
from deploy.local.stack import Collector, Emulator, Ports, Stack, free_port
from tests.support.faulty_proxy import FaultyProxy

PASS: Final = "pass"
PROXY_MODES: Final = ("refuse", "hang", "lose", "slow")
STOP: Final = "stop"
"""The collector is stopped for some time, as a machine that has too much to do."""
KILL: Final = "kill"
"""The collector is killed, and started anew on its data."""
CLOSE_S: Final = 0.5
"""A sandbox that ended so shortly after trouble may have had no time left for another try."""
BUDGET_MS: Final = 1700
"""Of the 2,000 ms of a shutdown the extension uses all but the last 200, and the runtime has some of them."""

_SCENARIO: Final = """
seed: {seed}
limits: {{idle_timeout_s: 2}}
functions:
{functions}
"""
_FUNCTION: Final = """
  {name}:
    code: {code}
    handler: chaotic.handle
    memory_mb: 192
    timeout_s: 3
    environment: {environment}
    faults: {faults}
"""
_HTTP: Final = {"LAMBDASCOPE_OTEL_EXPORTER_OTLP_ENDPOINT": "http://${relay:collector:4318}"}
_GRPC: Final = {
    "LAMBDASCOPE_OTEL_EXPORTER_OTLP_ENDPOINT": "http://${relay:collector:4317}",
    "LAMBDASCOPE_OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
}
SETTINGS: Final = (
    _HTTP,
    _GRPC,
    {**_HTTP, "LAMBDASCOPE_FLUSH": "end"},
    {**_HTTP, "LAMBDASCOPE_FLUSH": "periodic,2"},
    {**_HTTP, "LAMBDASCOPE_SPANS": "compact", "LAMBDASCOPE_OTEL_EXPORTER_OTLP_COMPRESSION": "none"},
    {**_GRPC, "LAMBDASCOPE_FLUSH": "periodic,1"},
)
"""Of the functions, in turn."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do to how many.

    Attributes:
        longest_outage_s: of the trouble between extension and collector; the shortest is 0.1 s.
        calm_s: the longest time between two troubles.
        kills: whether the collector is killed too, which takes it some seconds to start.
        longest_pause_s: between two invocations; sandboxes end after 2 s.
    """

    seed: int
    functions: int
    invocations: int
    longest_outage_s: float
    calm_s: float
    kills: bool
    longest_pause_s: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something was wrong between extension and collector; times are Unix seconds."""

    kind: str
    from_s: float
    to_s: float


@dataclass(slots=True)
class Ran:
    """A run, with all that there is to know about it.

    Attributes:
        posted: what the emulator posted, delivery by delivery.
        record: what really happened in it.
    """

    plan: Plan
    troubles: list[Trouble]
    posted: list[dict[str, Any]]
    record: list[dict[str, Any]]
    client: Client
    said: list[str]
    """Lines of extensions."""


# Running --------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def chaos(folder: Path, plan: Plan) -> Iterator[Ran]:
    """Run the plan to its end, with all sandboxes shut down and the collector at work."""
    ports = Ports(grpc=free_port(), http=free_port(), sql=free_port())  # the same for the collector after a kill
    with Stack(folder, ports) as stack, contextlib.ExitStack() as at_end:
        collector = stack.start_collector()
        http, grpc = (at_end.enter_context(contextlib.closing(FaultyProxy(port))) for port in (ports.http, ports.grpc))
        posted = folder / "posted.jsonl"
        emulator = stack.start_emulator(
            _write_scenario(folder, plan), f"127.0.0.1:{http.port}", "--logs",
            "--relay", f"collector:4317=127.0.0.1:{grpc.port}", "--record-telemetry", str(posted),
        )  # fmt: skip
        weather = _Weather(stack, collector, (http, grpc), plan)
        invokers = [_Invoker(emulator, plan, number) for number in range(plan.functions)]
        for invoker in invokers:
            invoker.start()
        while any(invoker.is_alive() for invoker in invokers):
            weather.blow(lambda: any(invoker.is_alive() for invoker in invokers))
        for invoker in invokers:
            invoker.join()
            if invoker.failure is not None:
                raise invoker.failure
        emulator.settled(plan.invocations // plan.functions * plan.functions)
        emulator.process.stop()
        yield Ran(
            plan,
            weather.troubles,
            _json_lines(posted),
            _json_lines(emulator.record),
            collector.client(),
            [line for line in emulator.process.output().splitlines() if "lambdascope:" in line],
        )


def _write_scenario(folder: Path, plan: Plan) -> Path:
    code = Path(__file__).resolve().parents[1] / "integration" / "path" / "functions"
    draw = random.Random(plan.seed)
    functions = [
        _FUNCTION.format(
            name=f"chaotic-{number}",
            code=code,
            environment=json.dumps(SETTINGS[number % len(SETTINGS)]),
            faults=json.dumps({
                "kill_extension": 0.01,
                "out_of_memory": 0.01,
                "time_out": 0.005,
                "close_idle_connections": draw.random() < 0.3,
                "late_init": draw.random() < 0.3,
                "late_invoke": draw.random() < 0.2,
                "report": "next" if draw.random() < 0.3 else "usual",
            }),
        )
        for number in range(plan.functions)
    ]  # fmt: skip
    scenario = folder / "scenario.yaml"
    scenario.write_text(_SCENARIO.format(seed=plan.seed, functions="".join(functions)), encoding="utf-8")
    return scenario


class _Invoker(threading.Thread):
    """Invokes one function, one invocation after the other, with pauses in which its sandbox is frozen."""

    def __init__(self, emulator: Emulator, plan: Plan, number: int) -> None:
        super().__init__(daemon=True)
        self.failure: BaseException | None = None
        self._emulator = emulator
        self._plan = plan
        self._function = f"chaotic-{number}"
        self._draw = random.Random(f"{plan.seed}/{number}")

    def run(self) -> None:
        try:
            for _ in range(self._plan.invocations // self._plan.functions):
                answer = invoke(self._emulator.url, self._function, self._event())
                assert answer.status == 200, f"{self._function} answers {answer.status} {answer.body[:200]!r}"
                time.sleep(self._pause_s())
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits for this one
            self.failure = error

    def _event(self) -> dict[str, object]:
        draw = self._draw
        ends = ["", "raise", "exit", "kill", "grow", "tidy"]
        [end] = draw.choices(ends, weights=[93, 2, 1.5, 1.5, 0.5, 1.5])
        return {"lines": draw.randrange(6), "work_ms": draw.choice((0, 0, 2, 10, 40)), "end": end}

    def _pause_s(self) -> float:
        """Mostly none to speak of, at times long enough for the sandbox to be given up."""
        kind = self._draw.random()
        if kind < 0.75:
            return self._draw.uniform(0, 0.02)
        if kind < 0.985:
            return self._draw.uniform(0.05, 0.6)
        return self._draw.uniform(1, self._plan.longest_pause_s)


class _Weather:
    """Makes trouble between sandboxes and collector, and remembers when. For the thread that started the stack."""

    def __init__(self, stack: Stack, collector: Collector, proxies: Sequence[FaultyProxy], plan: Plan) -> None:
        self.troubles: list[Trouble] = []
        self._stack = stack
        self._collector = collector
        self._proxies = proxies
        self._plan = plan
        self._draw = random.Random(f"{plan.seed}/weather")

    def blow(self, is_wanted: Any) -> None:
        """One calm, and one trouble; each over at once where they are not wanted any more."""
        plan, draw = self._plan, self._draw
        self._wait(draw.uniform(0.2, plan.calm_s), is_wanted)
        kind = draw.choice((*PROXY_MODES, *PROXY_MODES, STOP, *([KILL] if plan.kills else [])))
        for_s = 0.1 * (plan.longest_outage_s / 0.1) ** draw.random()
        began_s = time.time()
        if kind in PROXY_MODES:
            self._set(kind)
            self._wait(for_s, is_wanted)
            self._set(PASS)
        elif kind == STOP:
            os.kill(self._collector.process.pid, signal.SIGSTOP)
            self._wait(for_s, is_wanted)
            os.kill(self._collector.process.pid, signal.SIGCONT)
        else:
            os.killpg(self._collector.process.pid, signal.SIGKILL)
            self._wait(for_s, is_wanted)
            self._collector = self._stack.start_collector()
        self.troubles.append(Trouble(kind, began_s, time.time()))

    def _set(self, mode: str) -> None:
        for proxy in self._proxies:
            proxy.set(mode)

    @staticmethod
    def _wait(for_s: float, is_wanted: Any) -> None:
        until = time.monotonic() + for_s
        while is_wanted() and (left_s := until - time.monotonic()) > 0:
            time.sleep(min(0.1, left_s))


def _json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# Judging --------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Account:
    """What one signal of one sandbox comes to, in items.

    Attributes:
        delivered: what the extension has got for certain.
        perhaps: what it was posted without an answer: it may have been killed before or after it took that.
        stored: what the collector has of it.
        dropped, gap: what the collector knows to be dropped and never to have come.
    """

    delivered: int = 0
    perhaps: int = 0
    stored: int = 0
    dropped: int = 0
    gap: int = 0

    @property
    def unaccounted(self) -> int:
        """What nobody knows of; negative where there is more than was delivered."""
        return self.delivered - self.stored - self.dropped - self.gap


@dataclass(slots=True)
class Sandbox:
    """A sandbox, and what came of what it was told.

    Attributes:
        excuses: why something of it may be missing.
        logs: lines of its function.
        invocations: those whose start and end it was told, against those that are stored.
    """

    instance_id: str
    function: str = ""
    excuses: set[str] = field(default_factory=set)
    logs: Account = field(default_factory=Account)
    spans: Account = field(default_factory=Account)
    twice: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Stored, although nothing like it was ever posted."""


KILLED: Final = "the extension was killed"
BUDGET: Final = "its time to shut down was over"
UNREACHABLE: Final = "the collector was unreachable at its end"
FORGOTTEN: Final = "the function removed its notes, after one process of the extension and before the next"


def judge(ran: Ran) -> dict[str, Sandbox]:
    """The sandboxes of a run, with their accounts as the collector's tables are now."""
    found: dict[str, Sandbox] = defaultdict(lambda: Sandbox(""))
    lines: dict[str, Counter[str]] = defaultdict(Counter)
    posted: dict[str, set[str]] = defaultdict(set)
    for delivery in ran.posted:
        instance_id = delivery["instance_id"]
        sandbox = found[instance_id]
        sandbox.instance_id, sandbox.function = instance_id, delivery["function"]
        logs = [item["record"] for item in delivery["records"] if item["type"] == "function"]
        posted[instance_id].update(str(line) for line in logs)
        if delivery["accepted"]:
            sandbox.logs.delivered += len(logs)
            lines[instance_id].update(map(str, logs))
        else:
            sandbox.logs.perhaps += len(logs)
    for instance_id, excuses in _excuses(ran).items():
        found[instance_id].excuses |= excuses
    for instance_id in _without_notes(ran.client):
        found[instance_id].excuses.add(FORGOTTEN)
    _read_logs(ran.client, found, posted)
    _read_spans(ran, found)
    _read_deliveries(ran.client, found)
    return dict(found)


def _excuses(ran: Ran) -> dict[str, set[str]]:
    excuses: dict[str, set[str]] = defaultdict(set)
    last: dict[str, dict[str, Any]] = {}
    for happened in ran.record:
        if happened["kind"] == "invocation" and happened.get("error_type") == "Extension.Crash":
            excuses[happened["instance_id"]].add(KILLED)
        if happened["kind"] == "stop":
            last[happened["instance_id"]] = happened
            if happened["killed"] or happened["end_ms"] - happened["start_ms"] >= BUDGET_MS:
                excuses[happened["instance_id"]].add(BUDGET)
    for instance_id, stop in last.items():  # what could not be sent before a reset is sent after it
        end_s = stop["end_ms"] / 1000
        if any(t.from_s <= end_s <= t.to_s + CLOSE_S for t in ran.troubles):
            excuses[instance_id].add(UNREACHABLE)
    return excuses


def _without_notes(client: Client) -> set[str]:
    """The sandboxes of which a process did not know what those before it had sent."""
    query = "SELECT DISTINCT splitByChar('/', InstanceId)[1] FROM lambda_exports WHERE InstanceId LIKE '%/%'"
    return {row[0] for row in client.query(query).result_rows}


def _read_logs(client: Client, found: Mapping[str, Sandbox], posted: Mapping[str, set[str]]) -> None:
    query = "SELECT ResourceAttributes['faas.instance'], Body, count() FROM otel_logs GROUP BY ALL"
    for instance_id, body, count in client.query(query).result_rows:
        sandbox = found[instance_id]
        sandbox.logs.stored += count
        if body.startswith("chaos "):  # those that are like no other
            if count > 1:
                sandbox.twice.append(body)
            if body not in posted[instance_id]:
                sandbox.unknown.append(body)


def _read_spans(ran: Ran, found: Mapping[str, Sandbox]) -> None:
    """Of spans, those of which one is made for each record of a kind: `invoke` and `post_runtime`."""
    for delivery in ran.posted:
        for item in delivery["records"]:
            if item["type"] in {"platform.start", "platform.report"}:
                spans = found[delivery["instance_id"]].spans
                if delivery["accepted"]:
                    spans.delivered += 1
                else:
                    spans.perhaps += 1
    query = """
        SELECT ResourceAttributes['faas.instance'], SpanAttributes['lambda.phase'], SpanId, count()
        FROM otel_traces GROUP BY ALL"""
    for instance_id, phase, span_id, count in ran.client.query(query).result_rows:
        if count > 1:
            found[instance_id].twice.append(f"{phase} {span_id}")
        if phase in {"invoke", "post_runtime"}:
            found[instance_id].spans.stored += 1


def _read_deliveries(client: Client, found: Mapping[str, Sandbox]) -> None:
    query = "SELECT InstanceId, Signal, ifNull(DroppedItems, 0), ifNull(MissingItems, 0) FROM lambda_deliveries"
    for instance_id, name, dropped, missing in client.query(query).result_rows:
        account = found[instance_id].logs if name == "logs" else found[instance_id].spans
        account.dropped, account.gap = dropped, missing
