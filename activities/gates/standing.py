"""The policy in force: what the ledger has, not what a worker's file says today."""

from typing import Protocol

from sqlalchemy import Connection

from activities.gates.policy import Policy


class InForce(Protocol):
    """Where the policy that counts now comes from."""

    def now(self, connection: Connection) -> Policy:
        """The policy in force. Reads at most; cheap enough for every decision."""
        ...
