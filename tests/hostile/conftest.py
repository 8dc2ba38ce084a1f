"""Hostile repositories share one dev server, as the workflow tests do."""

from tests.workflows.conftest import client

__all__ = ["client"]
