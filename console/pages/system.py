"""System: who works, what does not answer, the policy in force, what waits for an approval, and the boundaries of actions."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, get_args

from activities.gates.from_console import CHANNEL
from activities.gates.policy import Policy
from activities.gates.standing import stored
from commands import own_worker
from commands.decide import pausing
from console.pages.asked import Asked, said
from contracts.errors import Refused
from contracts.pauses import PauseKind
from contracts.printed import shown
from contracts.rules import Rule
from ledger import pauses, policies
from ledger.db import Connection, instant
from ledger.views import boundaries, models, notices
from ledger.views import pauses as pause_views
from ledger.views.workers import workers_of

PAUSABLE: tuple[PauseKind, ...] = get_args(PauseKind)

LIFTED = 10
"""Most of the newest pauses that are looked through for those that are over."""

WEEK = timedelta(days=7)
"""What the boundaries count."""


def system(connection: Connection, asked: Asked) -> dict[str, Any]:
    """The machinery as the ledger has it."""
    queue = asked.here.settings.task_queue
    there, policy = workers_of(connection, queue), stored(connection)
    breakers = models.noteworthy(connection)
    return {
        "task_queue": queue,
        "workers": there.working,
        "last": there.last,
        "relays": [one.place for one in there.relays],
        "breakers": breakers,
        # A name that cannot be shown as it is takes the command: nobody can see what the form would be about.
        "open": [one for one in breakers if not one.is_closed and shown(one.name) == one.name],
        "channels": notices.troubles(connection),
        "policy": None if policy is None else _standing(connection, policy),
        "proposals": [_proposal(one, policies.newest_number(connection)) for one in policies.proposals(connection)],
        "boundaries": [] if policy is None else _boundaries(connection, policy),
        "days": WEEK.days,
        "pauses": pause_views.pauses_now(connection),
        "lifted": [one for one in pause_views.history(connection, LIFTED) if one.lifted_at is not None],
        "held_up": pauses.held_up(connection),
        "kinds": PAUSABLE,
        "own_worker": own_worker.here(asked.here.settings),
    }


def pause(connection: Connection, asked: Asked, by: str, fields: Mapping[str, str]) -> None:
    """Pause an agent, a pipeline, a project or everything, as `baton pause` does."""
    kind, name = _named(fields)
    pausing.pause_in(connection, asked.here.settings, kind, name, by, said(fields), channel=CHANNEL)


def resume(connection: Connection, asked: Asked, by: str, fields: Mapping[str, str]) -> None:
    """Lift a pause, as `baton resume` does."""
    del asked
    why, there = said(fields), {one.id: one for one in pauses.in_force(connection)}
    one = there.get(fields.get("id", ""))
    if one is None:
        lifted = pauses.resumed(connection, fields.get("id", ""))
        who = f": {lifted.by} resumed it, {lifted.why}" if lifted is not None else ""
        raise Refused(f"this is not paused any more{who}. Nothing was done")
    pausing.resume_in(connection, one.kind, one.name, by, why, channel=CHANNEL)


def _named(fields: Mapping[str, str]) -> tuple[PauseKind, str]:
    kind, name = next((one for one in PAUSABLE if one == fields.get("kind")), None), fields.get("name", "").strip()
    if kind is None:
        raise Refused(f"there is no such thing to pause; there are {', '.join(PAUSABLE)}. Nothing was done")
    if kind != "all" and not name:
        raise Refused(f"say which {kind}; nothing was done")
    return kind, name if kind != "all" else ""


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
