"""What the signature under a decision is over: everything that was decided, in one statement. Pure."""

from collections.abc import Sequence
from typing import Self

from pydantic import Field

from contracts.base import Contract, Digest, is_empty
from contracts.gates import Decision, GateKind, GateView, Verb
from contracts.intents import Intent
from contracts.money import micros
from contracts.work import digest_of_made

_ABOUT = b"baton signed_decision/1\n"
"""Begins what is signed: a signature that the same key made for something else is never one for a decision."""


class SignedDecision(Contract, name="signed_decision/1"):
    """A decision with what it is about, as it is signed. How and where from it was sent is no part of it."""

    trace: str
    gate: str
    kind: GateKind
    revision: int
    subject: Digest
    verb: Verb
    by: str
    note: str
    answers: dict[str, str]
    to_usd_micros: int | None
    reference: str = Field(default="", exclude_if=is_empty, description="left out where there is none")
    made: str = Field(default="", exclude_if=is_empty, description="digest of what is handed in at a `work` gate")
    nonce: str
    approvals: int = Field(description="how many people had to say yes")
    actions: tuple[str, ...] = Field(description="what an approval lets happen, each as `action_of` writes it")

    @classmethod
    def of(cls, view: GateView, intents: Sequence[Intent], verb: Verb, said: Decision) -> Self:
        """The statement of a decision at this gate, on which these actions ride."""
        return cls(
            trace=view.trace,
            gate=view.gate,
            kind=view.kind,
            revision=view.revision,
            subject=view.subject,
            verb=verb,
            by=said.by,
            note=said.note,
            answers=said.answers or {},
            to_usd_micros=None if said.to_usd is None else micros(said.to_usd),
            reference=said.reference,
            made=digest_of_made(said.made, said.patch),
            nonce=said.nonce or "",
            approvals=view.approvals,
            actions=tuple(sorted(action_of(one.type, one.key, one.arguments) for one in intents)),
        )

    def signed(self) -> bytes:
        """The bytes that are signed."""
        return _ABOUT + self.stored()


def action_of(type: str, key: str, arguments: str) -> str:
    """One action as a statement names it: its type, its business key and the digest of the bytes that are executed."""
    return f"{type} {key} {arguments}"
