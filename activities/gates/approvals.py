"""What the executor asks right before an effect: whether a gate has shown exactly this, and people who may have signed it.

By then the ledger has had the decision for a while. What one hand has changed in it does not fit together any more; against
whoever changes all of it only signatures help.
"""

from typing import Any

from sqlalchemy import Connection, Row, RowMapping

from activities.gates.policy import Policy, same_person
from activities.gates.signatures import unsigned, wrong_key
from activities.gates.standing import InForce
from contracts.errors import Misconfigured, NotFound
from contracts.gates import GateKind, Verb
from contracts.signing import SignedDecision, action_of
from ledger import decision_outbox, gate_actions, gates, runs
from ledger.signatures import approvals, statement_of

NOT_SIGNED = "it is not signed, and identity is 'signed'; approve it again, with a signature"


class Approvals:
    """Checks approvals again, by the policy in force."""

    def __init__(self, policy: InForce) -> None:
        self._policy = policy

    def doubt(self, connection: Connection, row: Row[Any], executed: str) -> str:
        """Why this action, whose arguments are executed with this digest, is not what people approved; "" if it is.

        It has to be what its gate has shown, and somebody has to have approved that, whatever identity is; so does a signature
        that is there have to hold, and what the console is said to know has to be in its own rows. One of the two is asked for
        where identity is `signed-in`, a signature where it is `signed`. It only reads, and calling it again is safe.
        """
        policy = self._policy.now(connection)
        strict = policy.identity in ("signed-in", "signed")
        if not row.gate:
            return _unasked(policy, row.type) if strict else _not_by_itself(connection, row)
        said = approvals(connection, row.trace, row.gate)
        if strict and not any(one["outcome"] == "won" for one in said):
            return f"no approval at {row.gate} is on record, and identity is {policy.identity!r}"
        signed, people = list[SignedDecision](), list[str]()
        for one in said:
            if not one["signature"] and not one["statement"]:
                found: SignedDecision | str | None = self._unsigned(connection, policy, one)
            else:
                found = self._signed(connection, policy, one)
            if isinstance(found, str):
                return f"the approval at {row.gate} by {one['by']}: {found}"
            if not any(same_person(one["by"], other) for other in people):
                people.append(one["by"])
            signed += [found] if found is not None else []
        doubt = _compared(signed, action_of(row.type, row.key, executed))
        if strict and not doubt:
            asked = gates.find(connection, row.trace, row.gate)[0].approvals
            doubt = _too_few(people, max((asked, *(one.approvals for one in signed))), policy)
        return doubt or _not_as_shown(connection, row, executed, approved=any(one["outcome"] == "won" for one in said))

    def _signed(self, connection: Connection, policy: Policy, one: RowMapping) -> SignedDecision | str:
        """What this person has signed, or why it does not count."""
        if not one["signature"]:
            return NOT_SIGNED if policy.identity == "signed" else "it is not what was signed: its signature was taken away"
        statement = statement_of(one)
        if statement is None or (statement.kind, statement.revision) != (one["kind"], one["revision"]):
            return "it is not what was signed: it was changed in the ledger, or never was a signature of it"
        if (wrong := wrong_key(connection, policy, statement.by, one["signature"])) is not None:
            return wrong
        named = (statement.trace, statement.kind, statement.verb, statement.by)
        return _not_allowed(connection, policy, *named) or statement

    def _unsigned(self, connection: Connection, policy: Policy, one: RowMapping) -> str | None:
        """Why an approval that is not signed does not count, or None."""
        if one["known"] and not decision_outbox.stands_behind(connection, one):
            return (
                "the console has written down no such decision: it was changed in the ledger, or never was one of the console"
            )
        if policy.identity not in ("signed-in", "signed"):
            return None
        if (why := unsigned(policy, one["known"])) is not None:
            return NOT_SIGNED if policy.identity == "signed" else f"{why}. Approve it again"
        return _not_allowed(connection, policy, one["trace"], one["kind"], one["verb"], one["by"])


def _unasked(policy: Policy, type: str) -> str:
    """Why an action that no gate has shown may not happen, or ""."""
    declared = policy.actions.get(type)
    if declared is not None and declared.tier == "auto":
        return ""
    return f"nobody has approved it, and policy lets no {type} happen by itself"


def _not_by_itself(connection: Connection, row: Row[Any]) -> str:
    """Why an action that no gate has shown may not happen by what its run has pinned, or ""."""
    pins = runs.find_pins(connection, row.trace)
    if pins is None or not (pins.terms or pins.actions):
        return ""  # it began under a release that pinned no tiers
    terms = pins.terms.get(row.type)
    # The type's own tier: facts and rules, which may ask for more, were judged before it was written.
    tier = terms.tier if terms is not None else (pins.actions or {}).get(row.type)
    return "" if tier == "auto" else f"nobody has approved it, and its run's policy lets no {row.type} happen by itself"


def _not_as_shown(connection: Connection, row: Row[Any], executed: str, *, approved: bool) -> str:
    """Why this is not what its gate has shown and somebody has approved there, or ""."""
    wanted = (row.type, row.key, executed, row.arguments_digest)
    shown = gate_actions.intents(connection, row.trace, row.gate)
    if wanted not in [(one.type, one.key, one.arguments, one.arguments_digest) for one in shown]:
        return f"what would be executed is not what gate {row.gate} has shown: type, key or arguments differ"
    return "" if approved else f"no approval at {row.gate} of what it shows is on record"


def _not_allowed(connection: Connection, policy: Policy, trace: str, kind: GateKind, verb: Verb, by: str) -> str | None:
    """Why this person may not decide at such a gate by the policy in force, or None."""
    try:
        run = runs.find(connection, trace)
        rule = policy.gate(kind, run.pipeline)
    except (NotFound, Misconfigured) as error:
        return str(error)
    # Whether it had escalated is in the workflow alone: those who are asked next count as asked.
    rule = rule.model_copy(update={"who": (*rule.who, *rule.escalation)})
    return policy.refuses(rule, verb, by, str(run.owner))


def _compared(signed: list[SignedDecision], executed: str) -> str:
    """Why what was signed is not what is executed; "" if it is."""
    if any(executed not in one.actions for one in signed):
        return "what would be executed is not what was signed: type, key or arguments differ"
    return ""


def _too_few(people: list[str], most: int, policy: Policy) -> str:
    """Whether fewer people have approved it, in a way that identity takes, than its gate asks for, or ""."""
    if len(people) < most:
        how = "signed it" if policy.identity == "signed" else "signed it, or signed in to approve it"
        return f"{len(people)} of {most} people have {how}"
    return ""
