"""Loosening the policy: proposed with figures, approved by its owners, in force for every worker at once."""

from datetime import timedelta

from sqlalchemy import Connection

from activities.gates import lines
from activities.gates.comparison import Change, compare
from activities.gates.policy import Policy, same_person
from activities.gates.standing import body_of, parsed, stored
from contracts.base import digest_of
from contracts.errors import Refused
from contracts.gates import GatePolicy
from ledger import policies
from ledger.figures.approvals import approvals_of
from ledger.policies import Proposal

DAYS = 90
"""How far the figures of a proposal look back."""


def propose(connection: Connection, file: Policy, text: str, why: str, by: str) -> tuple[Proposal, bool]:
    """Keep a proposal to put this file into force, with how such actions were decided lately. Safe to call twice.

    Returns it, and whether it is new. Raises `Refused` if there is nothing in it that needs an approval.
    """
    before, base = _in_force(connection), policies.newest_number(connection)
    changes = compare(before, file)
    looser = tuple(one for one in changes if one.how == "loosened")
    if not looser:
        what = "it only tightens, and counts" if changes else "it says what is in force"
        raise Refused(f"nothing here needs an approval: {what} as soon as a worker starts with it")
    id = digest_of("policy-proposal", str(base), file.digest)[:12]
    new = policies.propose(
        connection,
        id=id,
        base=base,
        digest=file.digest,
        body=body_of(file),
        text=text,
        changes=[str(one) for one in looser],
        figures=[one.told(DAYS) for one in approvals_of(connection, _types(looser, before), DAYS)],
        why=why,
        by=by,
    )
    made = policies.find(connection, id)
    if new:
        owners = before.owning()
        policies.tell(connection, lines.policy_proposed(made, owners.who if owners is not None else ()))
    return made, new


def _in_force(connection: Connection) -> Policy:
    before = stored(connection)
    if before is None:
        raise Refused("no policy is in force yet: the first worker that starts takes its file as it is")
    return before


def _types(changes: tuple[Change, ...], before: Policy) -> tuple[str, ...]:
    """The types of action that these changes are about; all of them where a gate, a rule or a person changes."""
    named = [key for one in changes if (key := one.key).startswith('actions."')]
    of = tuple(dict.fromkeys(one.split('"')[1] for one in named))
    return of if len(named) == len(changes) else tuple(dict.fromkeys((*of, *before.actions)))


def refuses(policy: Policy, proposal: Proposal, by: str) -> str | None:
    """Why this person may not approve this proposal, or None. `policy` is the one in force: its owners decide."""
    owners = policy.owning()
    if owners is None:
        return "the policy in force names no owners, so nobody may approve; add [owners] to the file: that counts at once"
    rule = GatePolicy(
        who=owners.who,
        deadline=timedelta(days=1),  # required, and not used: a proposal stays open until it is approved or outdated
        requester_may_approve=owners.requester_may_approve,
        approvals=owners.approvals,
    )
    refused = policy.refuses(rule, "approve", by, proposal.by)
    if refused is not None:
        return refused.replace("asked for this run", "proposed it")
    if any(same_person(one, by) for one in proposal.approved_by):
        return f"{by!r} has approved it already; it takes {owners.approvals} different people"
    return None


def approve(connection: Connection, name: str, by: str) -> tuple[Proposal, int]:
    """Approve a proposal. Once enough owners have, its policy is in force, for every worker and every run from then on.

    Returns the proposal as it is now, and how many approvals are still missing. Raises `NotFound`, or `Refused` with the
    reason; the caller writes a feed line of that (`lines.policy_refused`), as this transaction is undone.
    """
    before, base = _in_force(connection), policies.newest_number(connection)
    proposal = policies.find(connection, name)
    if proposal.state != "open":
        raise Refused(f"proposal {proposal.id} is {proposal.state} and takes no approval")
    if proposal.base != base:
        raise Refused(
            f"proposal {proposal.id} was compared with policy {proposal.base}, and policy {base} is in force now: "
            "propose it again, so that whoever approves sees what it loosens"
        )
    refused = refuses(before, proposal, by)
    if refused is not None:
        raise Refused(refused)
    policies.approve(connection, proposal.id, by)
    proposal, owners = policies.find(connection, proposal.id), before.owning()
    assert owners is not None, "without owners it was refused"
    missing = max(owners.approvals - len(proposal.approved_by), 0)
    if not missing:
        _put_into_force(connection, before, proposal, base)
    policies.tell(connection, lines.policy_approved(proposal, by, missing))
    return policies.find(connection, proposal.id), missing


def _put_into_force(connection: Connection, before: Policy, proposal: Proposal, base: int) -> None:
    made = parsed(proposal.body, proposal.digest)
    why = f"proposal {proposal.id} by {proposal.by}: {proposal.why}"
    if not policies.add(connection, base + 1, made.digest, proposal.body, "approved", why, ", ".join(proposal.approved_by)):
        raise Refused(f"another policy came into force while proposal {proposal.id} was being approved: propose it again")
    policies.settle(connection, proposal.id, "approved")
    changes = compare(before, made)
    policies.tell(connection, lines.policy_in_force(base + 1, made.digest, "approved", why, changes, ()))
