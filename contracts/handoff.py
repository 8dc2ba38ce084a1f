"""What passes from one stage to the next: a typed body with an outcome, a producer, and evidence."""

from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import Field, field_serializer, model_validator

from contracts.base import Contract, Digest, PerMille, is_empty, is_none
from contracts.known import Known

Outcome = Literal["done", "unsure", "could_not"]

B = TypeVar("B", bound=Contract)
C = TypeVar("C", bound=Contract)


class EvidenceRef(Contract):
    """A verbatim quote from an artifact that the agent really read in this run (after line ends are made '\\n')."""

    artifact: str
    quote: str = Field(min_length=1, max_length=2000)


class Claim(Contract):
    """One statement about the world, with the places it was read. Without a checked quote it is marked unsupported."""

    subject: str = Field(max_length=200)
    attribute: str = Field(max_length=200)
    value: str = Field(max_length=1000)
    evidence: tuple[EvidenceRef, ...] = Field(default=(), max_length=10)


class Question(Contract):
    """Something only a person can answer. `options` empty means free text."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    text: str = Field(max_length=1000)
    options: tuple[str, ...] = Field(default=(), max_length=12)


class Answer(Contract, Generic[B]):
    """What a model returns as its final output. The boundary checks it and makes a handoff of it."""

    # No field has a default: the strict output of providers knows only required properties.
    outcome: Outcome
    reason: str = Field(max_length=4000, description="why not done; empty when done")
    confidence: PerMille = Field(description="how sure you are that the body is right, 0 to 1000")
    questions: tuple[Question, ...] = Field(max_length=10, description="with unsure: what a person has to answer")
    claims: tuple[Claim, ...] = Field(max_length=50, description="facts the body rests on, each with verbatim evidence")
    body: B | None = Field(description="the result; required when done, what there is when unsure, null when could_not")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.outcome == "done" and self.body is None:
            raise ValueError("outcome 'done' needs a body")
        if self.outcome != "done" and not self.reason.strip():
            raise ValueError(f"outcome {self.outcome!r} needs a reason")
        if self.questions and self.outcome != "unsure":
            raise ValueError("questions go with outcome 'unsure'")
        return self


class ByPerson(Contract):
    """The person who did an agent's step, and how that is known."""

    name: str
    gate: str = Field(description="where they answered: the decision there is theirs")
    channel: str = ""
    authenticated: bool = Field(default=False, description="their signature was checked; otherwise the name is a claim")
    known: Known = Field(default="", exclude_if=is_empty, description="how the console knew who decided, if it was there")


class Producer(Contract):
    """Who made it: an agent version with the model that answered, or a function of ours (agent = its name, model "").

    Where a person did the agent's step, `model` is `human:NAME` and `person` says how that is known.
    """

    agent: str
    version: str = ""
    digest: str = ""
    model: str = ""
    prompt: str = Field(default="", description="digest of the task it was given")
    cached: bool = Field(default=False, exclude_if=is_empty, description="reused from an identical earlier call")
    reader: bool = Field(default=False, exclude_if=is_empty, description="it has read raw text from outside, and has no tools")
    person: ByPerson | None = Field(default=None, exclude_if=is_none, description="who did the step; None: a model")


class Handoff(Contract, Generic[B], brief=True):
    """One contract instance with its outcome and where it came from. The coordinator routes all three outcomes."""

    id: Digest
    contract_name: str = Field(description="contract that the producer made the body as")
    outcome: Outcome
    body: B | None = None
    reason: str = ""
    confidence: PerMille = 1000
    questions: tuple[Question, ...] = ()
    producer: Producer
    inputs: tuple[str, ...] = Field(default=(), description="ids of the handoffs and artifacts it was made from")
    taint: tuple[str, ...] = Field(default=(), description="names of the untrusted sources that flowed in")
    claims: tuple[Claim, ...] = ()
    unsupported: tuple[int, ...] = Field(default=(), description="positions in `claims` without checked evidence")
    trace: str
    path: str
    degraded: str = Field(default="", exclude_if=is_empty, description="why a fallback made it; empty: none did")

    @field_serializer("body", when_used="json")
    def _whole(self, body: Any) -> Any:
        # Also in a brief payload: its receiver reads it as plain values, and digests are over all of them.
        return body.model_dump(mode="json") if isinstance(body, Contract) else body

    def read_as(self, wanted: type[C]) -> C | None:
        """The body as this contract, upcast where the producer made an earlier version; None without a body.

        Raises `NewerVersion` or `ContractViolation`. Digests and approvals stay about the body as it was made.
        """
        raw = self.body.model_dump(mode="json") if isinstance(self.body, Contract) else self.body
        return None if raw is None else wanted.read_made_as(self.contract_name, raw)

    @property
    def result(self) -> B:
        """The body of a handoff that is done. Raises ValueError otherwise: the coordinator should have handled that outcome."""
        if self.outcome != "done" or self.body is None:
            raise ValueError(f"handoff {self.path} is {self.outcome}: {self.reason}")
        return self.body
