"""What a run pins when it starts and keeps until its end."""

from pydantic import Field

from contracts.actions import ActionTerms, Tier
from contracts.agents import AgentPin
from contracts.base import Contract, Digest, PerMille
from contracts.gates import GatePolicy
from contracts.rules import Rule


class Began(Contract, name="began/1", brief=True):
    """What a run has pinned. `duplicate_of` names the run that already has this request key, else None."""

    owner: str
    ceiling_micros: int
    policy_digest: Digest
    agents: dict[str, AgentPin]
    gates: dict[str, GatePolicy]
    actions: dict[str, Tier] | None = Field(
        default=None,
        description="types of action that it may propose; None: it began before tiers were pinned, all are `confirm`",
    )
    terms: dict[str, ActionTerms] = Field(
        default={}, description="what each of `actions` takes beyond its tier; empty: it began before they were pinned"
    )
    rules: tuple[Rule, ...] = Field(default=(), description="the rules of policy that may fire in this run")
    duplicate_of: str | None = None
    kept_back: PerMille = Field(default=0, description="of the run's ceiling, for what comes after its children")
    changes: tuple[str, ...] = Field(
        default=(), description="named changes that apply to this run: see workflows/kit/changes.py"
    )
    ledger: str = Field(default="", description='id of the ledger that has the record; "": it began before ledgers had one')
