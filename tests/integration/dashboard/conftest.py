"""One collector that holds a fleet with a known truth, for all tests here."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from dashboard.config import from_environ
from dashboard.filters import Filters
from dashboard.sql import SqlSource, connect
from dashboard.timeaxis import Window
from tests.support.dashboard import Seeded, seeded_collector


@pytest.fixture(scope="session")
def seeded() -> Iterator[Seeded]:
    with seeded_collector() as one:
        yield one


@pytest.fixture(scope="session")
def source(seeded: Seeded) -> Iterator[SqlSource]:
    one = connect(from_environ({"LAMBDASCOPE_SQL_URL": seeded.sql_url}))
    yield one
    one.client.close()


@pytest.fixture
def everything(seeded: Seeded) -> Filters:
    """The choices that show the whole fleet."""
    return Filters().at(seeded.begin, seeded.end)


@pytest.fixture
def window(everything: Filters) -> Window:
    return everything.window(datetime.now(UTC))
