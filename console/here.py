"""What a page knows of the machine that the console runs on: its ledger, its settings, and the policy in force."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from activities.gates.mending import Proposer
from activities.gates.policy import Policy
from commands.context import policy_in
from commands.decide import proposals
from config import Settings
from ledger.db import Connection, Ledger

if TYPE_CHECKING:
    from temporalio.client import Client


@dataclass(frozen=True)
class Here:
    """This machine. What it says is as the commands here would say it.

    `connect` gives a client of Temporal, or raises `BatonError`.
    """

    ledger: Ledger
    settings: Settings
    connect: Callable[[], Awaitable["Client"]]

    def policy(self, connection: Connection) -> Policy:
        """The policy that counts now. Raises `Misconfigured` for a file that cannot be read."""
        return policy_in(connection, self.settings)

    def proposer(self, policy: Policy) -> Proposer:
        """Says what takes an executed action back, by what is declared here."""
        return proposals.proposer(self.settings, self.ledger, policy)
