"""Acceptance runs share one dev server, as the workflow tests do."""

from tests.workflows.conftest import client, start

__all__ = ["client", "start"]
