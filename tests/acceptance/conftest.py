"""Acceptance runs share one dev server, as the workflow tests do."""

from tests.ledger.conftest import empty_url, kind
from tests.workflows.conftest import client, start

__all__ = ["client", "empty_url", "kind", "start"]
