"""System: who works, what does not answer, the policy in force, what waits for an approval, and the boundaries of actions."""

from datetime import timedelta
from typing import Any

from activities.gates.policy import Policy
from activities.gates.standing import stored
from console.pages.asked import Asked
from contracts.rules import Rule
from ledger import policies
from ledger.db import Connection, instant
from ledger.views import boundaries, models, notices
from ledger.views.workers import workers_of

WEEK = timedelta(days=7)
"""What the boundaries count."""


def system(connection: Connection, asked: Asked) -> dict[str, Any]:
    """The machinery as the ledger has it."""
    there, policy = workers_of(connection, asked.task_queue), stored(connection)
    return {
        "task_queue": asked.task_queue,
        "workers": there.working,
        "last": there.last,
        "relays": [one.place for one in there.relays],
        "breakers": models.noteworthy(connection),
        "channels": notices.troubles(connection),
        "policy": None if policy is None else _standing(connection, policy),
        "proposals": [_proposal(one, policies.newest_number(connection)) for one in policies.proposals(connection)],
        "boundaries": [] if policy is None else _boundaries(connection, policy),
        "days": WEEK.days,
    }


def _standing(connection: Connection, policy: Policy) -> dict[str, Any]:
    owners = policy.owning()
    return {
        "version": policies.newest_number(connection),
        "digest": policy.digest,
        "identity": policy.identity,
        "owners": [] if owners is None else list(owners.who),
        "people": {name: list(one.roles) for name, one in policy.people.items()},
    }


def _proposal(one: policies.Proposal, newest: int) -> dict[str, Any]:
    return {
        "id": one.id,
        "by": one.by,
        "at": one.at,
        "why": one.why,
        "changes": one.changes,
        "approved_by": one.approved_by,
        "outdated": one.base != newest,
    }


def _boundaries(connection: Connection, policy: Policy) -> list[dict[str, Any]]:
    """Each type of action: what it takes now, whose rules ask for more, who last changed that, and what came of it lately."""
    types = tuple(policy.actions)
    counts = boundaries.outcomes(connection, types, instant(connection) - WEEK)
    changes = boundaries.last_changes(connection, types)
    return [
        {
            "type": name,
            "tier": one.tier,
            "tainted_tier": one.tainted_tier,
            "approvals": one.approvals,
            "who": one.who or (),
            "reversible": one.reversible,
            "rate": None if one.rate is None else f"{one.rate.most} in {one.rate.per} by {one.rate.of}, then {one.rate.over}",
            "rules": [f"{rule.name}: {rule.why}" for rule in policy.rules if _is_about(rule, name)],
            "changed": changes.get(name),
            "outcomes": counts.get(name, {}),
        }
        for name, one in policy.actions.items()
    ]


def _is_about(rule: Rule, action: str) -> bool:
    return rule.action == action
