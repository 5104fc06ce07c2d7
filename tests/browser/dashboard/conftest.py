"""One seeded collector, one dashboard, and Chromium."""

from collections.abc import Iterator

import pytest

from tests.support.dashboard import Seeded, running_dashboard, seeded_collector


@pytest.fixture(scope="session")
def seeded() -> Iterator[Seeded]:
    with seeded_collector() as one:
        yield one


@pytest.fixture(scope="session")
def url(seeded: Seeded) -> Iterator[str]:
    """Address of the dashboard."""
    with running_dashboard(seeded.sql_url) as one:
        yield one
