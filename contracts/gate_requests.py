"""What activities are asked about gates, and what they answer: to open one, to admit a decision, when it was received."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from contracts.base import Contract, Digest
from contracts.gates import Claimed, GatePolicy, GateView
from contracts.intents import Intent
from contracts.risk import Sign
from contracts.runs import Request


class OpenGate(Request, name="open_gate/1"):
    """Ask for a gate's row and feed line."""

    gate: GateView
    policy: GatePolicy
    policy_digest: Digest
    subject: str = Field(description="the subject's bytes as text; kept as the artifact that is approved")
    intents: tuple[Intent, ...] = ()


class Opened(Contract, name="opened/1", brief=True):
    """Confirms that a gate is open, with the facts that the ledger adds, and what these are for the risk."""

    facts: tuple[str, ...] = ()
    signs: tuple[Sign, ...] = ()


class AdmitDecision(Request, name="admit_decision/1"):
    """Ask whether a claimed decision counts. None as `claim` records that the gate `closes` without a decision."""

    gate: GateView
    policy: GatePolicy
    claim: Claimed | None
    owner: str
    closes: Literal["expired", "cancelled", "released"] = "expired"


class FindReceived(Request, name="find_received/1"):
    """Ask when Temporal received a decision that the run saw after the gate's deadline."""

    gate: GateView
    claim: Claimed


class Received(Contract, name="received/1", brief=True):
    """When that was; where it cannot be shown, when the run saw it."""

    at: datetime
