"""The played Lambda and collector, one of each per test."""

from collections.abc import Iterator

import pytest

from tests.support.extension import FakeCollector, FakeLambda


@pytest.fixture
def fake_lambda() -> Iterator[FakeLambda]:
    fake = FakeLambda()
    yield fake
    fake.close()


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    fake = FakeCollector()
    yield fake
    fake.close()
