"""Deliveries on each database, and what they leave when nothing goes wrong."""

from tests.ledger.conftest import kind, url
from tests.workflows.conftest import client, start

__all__ = ["client", "kind", "start", "url"]
