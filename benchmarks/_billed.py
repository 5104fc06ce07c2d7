"""What the extension adds to the time that an invocation is billed for, with the collector at work and without it.

Functions that differ in this alone are invoked in the emulator, back to back and in blocks, one function's after the
other's. Each block is compared with that of the function without a layer in the same round, so that what else the
machine does falls on both. ``answer`` is the same for the time that callers wait, which has the emulator's own work for
an extension in it.
"""

from __future__ import annotations

import json
import math
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import Measurement
from benchmarks._emulated import ANSWER_S, running_emulator, throwaway_collector

ROUNDS: Final = 12
BLOCK: Final = 25
UNKNOWN_TRAFFIC: Final = 20
"""Until so many invocations are known, traffic counts as sparse, and each is flushed at its end."""
FIRST: Final = 3
"""In which, with the cold one, an outage may cost what it takes to find out."""
_ALLOWED_UP_MS: Final = 2.0
_ALLOWED_OUTAGE_MS: Final = 5.0
_CODE: Final = """
def handler(event, context):
    print("an order of three items was accepted for the customer")
    print("it goes out tomorrow")
    return {"ok": True}
"""
_WITHOUT: Final = "without"
_UP: Final = "up"
_OUTAGES: Final = {"refused": "refuse", "silent": "drop"}


@dataclass(frozen=True, slots=True)
class _Invocation:
    """One invocation: the platform's duration of it, and how long its caller waited."""

    duration_ms: float
    answer_ms: float


def billed(layer: Path) -> Iterator[Measurement]:
    """Yields ``extension.billed_ms_added`` and ``extension.billed_ms_added_outage``."""
    taken = _invocations(layer)
    dense = _added(taken, _UP, UNKNOWN_TRAFFIC)
    yield Measurement(
        "extension.billed_ms_added",
        dense.billed_ms,
        "ms",
        {
            "allowed": _ALLOWED_UP_MS,
            "error": dense.error_ms,
            "answer": dense.answer_ms,
            "first_20": _first(taken, _UP, UNKNOWN_TRAFFIC),
        },
    )
    outages = {name: _added(taken, name, FIRST) for name in _OUTAGES}
    worst = max(outages.values(), key=lambda added: added.billed_ms)
    against = {"allowed": _ALLOWED_OUTAGE_MS, "error": worst.error_ms}
    for name, added in outages.items():
        first_ms = _first(taken, name, FIRST)
        against |= {name: added.billed_ms, f"{name}_answer": added.answer_ms, f"{name}_first": first_ms}
    yield Measurement("extension.billed_ms_added_outage", worst.billed_ms, "ms", against)


@dataclass(frozen=True, slots=True)
class _Added:
    """What a function takes more than the one without a layer, per invocation, with the standard error."""

    billed_ms: float
    error_ms: float
    answer_ms: float


def _added(taken: dict[str, list[_Invocation]], name: str, skipped: int) -> _Added:
    """The mean of the differences between blocks, but for the first invocations of the first one."""
    durations, answers = [], []
    for start in range(0, ROUNDS * BLOCK, BLOCK):
        block = slice(max(start, skipped), start + BLOCK)
        ours, theirs = taken[name][block], taken[_WITHOUT][block]
        durations.append(_mean(i.duration_ms for i in ours) - _mean(i.duration_ms for i in theirs))
        answers.append(statistics.median(i.answer_ms for i in ours) - statistics.median(i.answer_ms for i in theirs))
    error = statistics.stdev(durations) / math.sqrt(len(durations))
    return _Added(round(statistics.fmean(durations), 2), round(error, 2), round(statistics.median(answers), 2))


def _first(taken: dict[str, list[_Invocation]], name: str, count: int) -> float:
    """What the first invocations take more, on average; durations have no init in them."""
    ours, theirs = taken[name][:count], taken[_WITHOUT][:count]
    return round(_mean(i.duration_ms for i in ours) - _mean(i.duration_ms for i in theirs), 2)


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)


def _invocations(layer: Path) -> dict[str, list[_Invocation]]:
    """Of each function, in order."""
    with tempfile.TemporaryDirectory(prefix="lambdascope-bench-") as name, throwaway_collector() as port:
        folder = Path(name)
        folder.chmod(0o755)  # sandboxes have another user
        record = folder / "record.jsonl"
        answers: dict[str, list[float]] = {}
        with running_emulator(_write_scenario(folder, layer), record, port) as url:
            functions = [_WITHOUT, _UP, *_OUTAGES]
            for number in range(ROUNDS):
                for function in functions if number % 2 else functions[::-1]:
                    answers.setdefault(function, []).extend(_invoke(url, function) for _ in range(BLOCK))
            _wait_until_over(url, len(functions) * ROUNDS * BLOCK)
        durations: dict[str, list[float]] = {}
        for happened in map(json.loads, record.read_text(encoding="utf-8").splitlines()):
            if happened["kind"] == "invocation":
                durations.setdefault(happened["function"], []).append(happened["duration_ms"])
    return {
        function: [_Invocation(*pair) for pair in zip(durations[function], answers[function], strict=True)]
        for function in functions
    }


def _write_scenario(folder: Path, layer: Path) -> Path:
    code = folder / "code"
    code.mkdir()
    (code / "app.py").write_text(_CODE, encoding="utf-8")
    common = {"code": str(code), "memory_mb": 1769, "timeout_s": 30}
    exporting = {
        **common,
        "layers": [str(layer)],
        "environment": {"LAMBDASCOPE_OTEL_EXPORTER_OTLP_ENDPOINT": "http://${relay:collector}"},
    }
    functions: dict[str, object] = {_WITHOUT: {**common, "layers": []}, _UP: exporting}
    for name, kind in _OUTAGES.items():
        functions[name] = {**exporting, "faults": {"relay": [{"kind": kind}]}}
    scenario = folder / "scenario.yaml"  # JSON is YAML
    scenario.write_text(json.dumps({"resources": {"memory": False}, "functions": functions}), encoding="utf-8")
    return scenario


def _invoke(url: str, function: str) -> float:
    """How long its caller waits for the answer, in ms."""
    address = f"{url}/2015-03-31/functions/{function}/invocations"
    request = urllib.request.Request(address, b"{}", method="POST")
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
        body = answer.read()
    waited_ms = (time.perf_counter() - began) * 1e3
    if json.loads(body) != {"ok": True}:
        raise RuntimeError(f"{function} answered {body!r}")
    _wait_until_idle(url, function)
    return waited_ms


def _wait_until_idle(url: str, function: str) -> None:
    """An invocation goes on after its answer; the next one would start another sandbox."""
    end = time.monotonic() + ANSWER_S
    while any(s["function"] == function and s["phase"] != "ready" for s in _get(url, "state")["sandboxes"]):
        if time.monotonic() > end:
            raise RuntimeError(f"{function} does not come to rest")


def _wait_until_over(url: str, count: int) -> None:
    end = time.monotonic() + ANSWER_S
    while _get(url, "summary")["invocations"] < count:
        if time.monotonic() > end:
            raise RuntimeError(f"{count} invocations are not over")
        time.sleep(0.05)


def _get(url: str, what: str) -> Any:
    with urllib.request.urlopen(f"{url}/_lambdascope/{what}", timeout=ANSWER_S) as answer:
        return json.load(answer)
