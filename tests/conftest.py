"""What holds for every test."""

import os

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that needs root fails without it: what was not tested must not look as if it had been."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.fail("needs root, for namespaces, mounts or control groups: run `make test` as root", pytrace=False)
