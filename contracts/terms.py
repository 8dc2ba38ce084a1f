"""What it takes to perform one action: its type's terms, what flowed into it, and the rules that fire. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from contracts.actions import ActionTerms, Tier, stricter
from contracts.base import Contract
from contracts.gates import GatePolicy
from contracts.rules import Facts, Rule, fires


class Ruling(Contract):
    """What one action takes: its tier, how many people, of whom, and every reason why it is more than its type's terms say."""

    tier: Tier
    approvals: int = 1
    also: tuple[tuple[str, ...], ...] = Field(default=(), description="who approves has to be in each of these lists")
    requester_may_approve: bool = True
    fired: tuple[str, ...] = ()
    names: tuple[str, ...] = Field(default=(), description="names of the rules that fired")

    @property
    def gate(self) -> str:
        """The kind of gate that it opens unless one has just shown it; "" for none."""
        return {"auto": "", "confirm": "action", "draft": "draft"}[self.tier]


def ruling(
    action: str, terms: ActionTerms, rules: Iterable[Rule], facts: Facts, arguments: Mapping[str, Any] | None = None
) -> Ruling:
    """What this action takes. A rule only adds: the result is never looser than the terms of its type.

    `arguments` as for `fires`: None where they are not known, and then a rule that asks for them fires.
    """
    fired = [one for one in rules if one.action in (action, "*") and fires(one, facts, arguments)]
    base = terms.tainted_tier if facts.tainted else terms.tier
    whys = [f"rule {one.name}: {one.why}" for one in fired]
    if base != terms.tier:
        whys.insert(0, f"tainted by {', '.join(facts.taint[:5])}: policy has tier {base} for it then")
    who = (terms.who, *(one.who for one in fired))
    return Ruling(
        tier=stricter(base, *(one.tier for one in fired if one.tier is not None)),
        approvals=max(terms.approvals, *(one.approvals or 1 for one in fired), 1),
        also=tuple(dict.fromkeys(one for one in who if one is not None)),
        requester_may_approve=terms.requester_may_approve and all(one.requester_may_approve is None for one in fired),
        fired=tuple(whys),
        names=tuple(one.name for one in fired),
    )


def at_gate(policy: GatePolicy, made: Ruling) -> GatePolicy:
    """A gate's rules where approving it lets such an action happen: what the action takes is added to what the gate does."""
    return policy.model_copy(
        update={
            "approvals": max(policy.approvals, made.approvals),
            "also": tuple(dict.fromkeys((*policy.also, *made.also))),
            "requester_may_approve": policy.requester_may_approve and made.requester_may_approve,
        }
    )


def own_gate(policy: GatePolicy, terms: ActionTerms) -> GatePolicy:
    """The rules of a gate that is about an action of this type alone: its own deadline, reminder, escalation and expiry."""
    deadline = policy.deadline if terms.deadline is None else min(policy.deadline, terms.deadline)
    escalation = policy.escalation if terms.escalation is None else terms.escalation
    named = tuple(terms.accountable if one == ACCOUNTABLE else one for one in escalation)
    return policy.model_copy(
        update={
            "deadline": deadline,
            "reminder": terms.reminder or policy.reminder,
            "escalation": named,
            "expiry": terms.expiry or policy.expiry,
        }
    )


ACCOUNTABLE = "accountable"
"""In an action's `escalation`: whoever its `accountable` names. It is the last one there."""
