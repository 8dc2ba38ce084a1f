"""Acceptance runs share one dev server, as the workflow tests do."""

from tests.ledger.conftest import kind, url
from tests.workflows.conftest import client, start

__all__ = ["client", "kind", "start", "url"]
