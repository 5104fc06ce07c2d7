"""One collector with low limits for all contract tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.collector import CollectorProcess, running_collector

MAX_REQUEST_BYTES = 64 << 10
MAX_DECOMPRESSED_BYTES = 256 << 10


@pytest.fixture(scope="module")
def collector() -> Iterator[CollectorProcess]:
    limits = ("--max-request-bytes", str(MAX_REQUEST_BYTES), "--max-decompressed-bytes", str(MAX_DECOMPRESSED_BYTES))
    with running_collector(*limits, "--linger-ms", "50") as process:
        yield process
