"""One collector for the tests of a file that only add to it, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from clickhouse_connect.driver.client import Client

from tests.support.collector import CollectorProcess, running_collector


@pytest.fixture(scope="module")
def collector() -> Iterator[CollectorProcess]:
    with running_collector("--linger-ms", "50") as process:
        yield process


@pytest.fixture(scope="module")
def sql(collector: CollectorProcess) -> Iterator[Client]:
    client = collector.sql()
    yield client
    client.close()


@pytest.fixture(scope="module")
def channel(collector: CollectorProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(collector.addresses.grpc) as opened:
        yield opened
