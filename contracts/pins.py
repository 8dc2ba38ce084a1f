"""What a run goes by from its start to its end."""

from pydantic import Field

from contracts.agents import AgentPin
from contracts.base import Contract, Digest, PerMille
from contracts.gates import GatePolicy


class Began(Contract, name="began/1", brief=True):
    """What a run goes by from here on. `duplicate_of` names the run that has this request key already, else None.

    `kept` says that the run's row has all of this, so that a request need not say it again.
    """

    owner: str
    ceiling_micros: int
    policy_digest: Digest
    agents: dict[str, AgentPin]
    gates: dict[str, GatePolicy]
    duplicate_of: str | None = None
    kept: bool = False
    kept_back: PerMille = Field(default=0, description="of the run's ceiling, for what comes after its children")
    story: int = Field(default=1, description="what the run tells to its end: see workflows/kit/story.py")
