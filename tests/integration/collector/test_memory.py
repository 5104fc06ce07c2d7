"""Memory under full load stays within its bounds and does not grow.

LAMBDASCOPE_SOAK=1 runs an hour (LAMBDASCOPE_SOAK_MINUTES: another length); without, half a minute and the bound alone.
"""

from __future__ import annotations

import http.client
import os
import statistics
import threading
import time
from pathlib import Path

import pytest

from tests.support.collector import CollectorProcess, lambda_span, trace_request

SOAK = os.environ.get("LAMBDASCOPE_SOAK") == "1"
MINUTES = float(os.environ.get("LAMBDASCOPE_SOAK_MINUTES", "60")) if SOAK else 0.4
SETTLED_AFTER_S = 180
SENDERS = 2
START_NS = time.time_ns() - 3 * 86_400 * 10**9  # recent: what is older than the retention is removed
MIB = 1 << 20


def rss_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) << 10


def send(address: str, until: threading.Event) -> None:
    """Full load: requests of 2,000 spans, one after the other; a collector that is full is asked again."""
    spans = [lambda_span(f"operation {n % 7}", start_ns=START_NS + n, duration_ns=n) for n in range(2000)]
    body = trace_request(spans).SerializeToString()
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    while not until.is_set():
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status in {200, 503}
        if answer.status == 503:
            until.wait(0.2)
    connection.close()


def slope_mib_per_minute(samples: list[tuple[float, int]]) -> float:
    seconds, sizes = zip(*samples, strict=True)
    return statistics.linear_regression(seconds, sizes).slope * 60 / MIB


@pytest.mark.soak
@pytest.mark.timeout(4500)
@pytest.mark.parametrize(
    ("store", "bound_mib"), [("embedded", 1500), ("http://127.0.0.1:9/", 300)], ids=["embedded", "store away"]
)
def test_memory_is_bounded(tmp_path: Path, store: str, bound_mib: int) -> None:
    """1.5 GB with the embedded store; 300 MB without, here with one that never answers and a spool that fills up."""
    flags = ["--spool-max-bytes", "1GiB"] + ([] if store == "embedded" else ["--store", store])
    process = CollectorProcess(tmp_path / "data", flags)
    process.start()
    until = threading.Event()
    threads = [threading.Thread(target=send, args=(process.addresses.http, until)) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    samples: list[tuple[float, int]] = []
    began_s = time.monotonic()
    try:
        while (elapsed_s := time.monotonic() - began_s) < MINUTES * 60:
            samples.append((elapsed_s, rss_bytes(process.pid)))
            time.sleep(0.5)
    finally:
        until.set()
        for thread in threads:
            thread.join()
        process.kill()
    peak_mib = max(size for _, size in samples) / MIB
    settled = [sample for sample in samples if sample[0] >= SETTLED_AFTER_S]
    slope = slope_mib_per_minute(settled) if len(settled) > 100 else 0.0
    print(f"{store}: peak {peak_mib:.0f} MiB, {slope:.2f} MiB per minute after {SETTLED_AFTER_S} s")
    assert peak_mib < bound_mib
    assert slope < 1.0
