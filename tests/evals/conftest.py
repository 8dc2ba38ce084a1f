"""Cases are measured on a real model only where somebody says so, and has a key."""

import os

import pytest

from tests.evals.cases import KEYS
from tests.workflows.conftest import client, start

__all__ = ["client", "start"]


@pytest.fixture
def live(request: pytest.FixtureRequest) -> None:
    """Skip unless `-m live` was typed and a key is there: a run costs money."""
    if request.config.option.markexpr != "live":
        pytest.skip("costs money: runs with -m live alone")
    if not any(os.environ.get(name) for name in KEYS):
        pytest.skip(f"no model: set {' or '.join(KEYS)}")
