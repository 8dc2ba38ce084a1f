"""What people have found to be wrong: looked at before it is condemned, what it holds, and what becomes of that."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from activities.gates import condemning, mending
from activities.gates.previewing import Preview, meant_by
from activities.gates.previewing import preview as previewed
from commands.decide.proposals import fields as planned_fields
from console.pages.asked import Asked, Wake, said
from contracts.errors import Refused
from contracts.printed import command
from ledger import condemnations
from ledger.condemnations import How
from ledger.db import Connection
from ledger.views.condemned import Reach, standing_of, standings
from ledger.views.runs import RunView

LISTED = 25
"""Most condemnations on a page: of each it is looked up what it reaches now."""

SHOWN = 50
"""Most of a kind that a condemnation holds, on a page."""


def preview(connection: Connection, asked: Asked) -> dict[str, Any]:
    """What condemning the thing that the query names would hold, and what of it has happened. Changes nothing."""
    found = _preview(connection, asked)
    meant = found.meant
    there = condemnations.marks(connection, meant.things)
    return {
        "id": meant.id,
        "what": meant.what,
        "things": len(meant.things),
        "condemned": list(dict.fromkeys(one for several in there.values() for one in several)),
        "all_condemned": len(there) == len(set(meant.things)),
        "digest": found.digest,
        "proposed": planned_fields(found.planned),
        "command": command("condemn", meant.id, options='--reason "why"'),
        **_reach(found.reach),
    }


def condemn(connection: Connection, asked: Asked, by: str, fields: Mapping[str, str]) -> Wake | None:
    """Condemn what was previewed, where it still comes to the same."""
    why, found = said(fields), _preview(connection, asked)
    there = condemnations.marks(connection, found.meant.things)
    if len(there) == len(set(found.meant.things)):
        first = min((one for several in there.values() for one in several), key=lambda one: one.at)
        if (first.by, first.why) == (by, why):
            return None
        raise Refused(f"this is condemned already, by {first.by} ({first.id}): {first.why}. Nothing was done")
    if fields.get("digest") != found.digest:
        raise Refused("what this reaches has changed since the preview was shown; look again, then condemn. Nothing was done")
    policy = asked.here.policy(connection)
    meant, proposer = found.meant, asked.here.proposer(policy)
    done = condemning.condemn(connection, policy, meant.things, meant.what, by, why, proposer)
    return _look(done.standing.reach.runs)


def every(connection: Connection, asked: Asked) -> dict[str, Any]:
    """What is condemned and still open; or all of it."""
    everything = asked.query.get("all") == "1"
    policy = asked.here.policy(connection)
    rows = standings(connection, policy.undone_by(), everything=everything, limit=LISTED)
    there = len(condemnations.every(connection, undone=everything, limit=LISTED + 1))
    shown = [{"condemnation": one.condemnation, "state": one.state, **_counts(one.reach)} for one in reversed(rows)]
    return {"condemnations": shown, "everything": everything, "older": there > LISTED}


def one(connection: Connection, asked: Asked) -> dict[str, Any]:
    """One condemnation: who and why, what it holds, and each action that has happened with what takes it back."""
    policy = asked.here.policy(connection)
    found = standing_of(connection, condemnations.find(connection, asked.path["id"]), policy.undone_by())
    planned = mending.plans(connection, asked.here.proposer(policy), found.reach.left)
    return {
        "condemnation": found.condemnation,
        "state": found.state,
        "proposed": planned_fields(planned),
        "can_propose": any(each.prepared is not None for each in planned),
        "command": command("condemned show", found.condemnation.id),
        **_reach(found.reach),
    }


def settle(connection: Connection, asked: Asked, by: str, fields: Mapping[str, str]) -> Wake | None:
    """Say what becomes of one action that came from it."""
    why, how = said(fields), fields.get("how", "")
    wanted: How | None = next((one for one in get_args(How) if one == how), None)
    if wanted is None:
        raise Refused("say what becomes of it; nothing was done")
    reference = fields.get("reference", "").strip()[:1000]
    policy, key = asked.here.policy(connection), fields.get("key", "")
    found = condemning.settle(connection, policy, asked.path["id"], key, wanted, by, why, reference)
    return _look(found.reach.runs) if wanted == "goes_on" else None


def undo(connection: Connection, asked: Asked, by: str, fields: Mapping[str, str]) -> Wake | None:
    """Take it back: what it alone held goes on."""
    why = said(fields)
    return _look(condemning.undo(connection, asked.here.policy(connection), asked.path["id"], by, why).reach.runs)


def propose(connection: Connection, asked: Asked, by: str, fields: Mapping[str, str]) -> None:
    """Propose what takes back the actions that have no proposal."""
    del fields
    policy = asked.here.policy(connection)
    condemning.propose(connection, policy, asked.path["id"], by, asked.here.proposer(policy))


def _preview(connection: Connection, asked: Asked) -> Preview:
    policy = asked.here.policy(connection)
    return previewed(connection, policy, meant_by(connection, asked.query.get("id", "")), asked.here.proposer(policy))


def _look(runs: Iterable[RunView]) -> Wake | None:
    found = {one.workflow_id: one.trace for one in runs}
    return Wake("condemned", found) if found else None


def _counts(reach: Reach) -> dict[str, int]:
    return {
        "left": len(reach.left),
        "runs_held": len(reach.runs),
        "gates_held": len(reach.gates),
        "actions_held": len(reach.pending),
    }


def _reach(reach: Reach) -> dict[str, Any]:
    """What it holds and what has happened; of each the first, and how many more there are."""
    every: tuple[tuple[Any, ...], ...] = (reach.runs, reach.gates, reach.pending, reach.executed)
    return {
        **_counts(reach),
        "counted": dict(sorted(reach.impact.things.items())),
        "complete": reach.impact.complete,
        "runs": reach.runs[:SHOWN],
        "gates": reach.gates[:SHOWN],
        "pending": reach.pending[:SHOWN],
        "executed": [{"it": each, "open": each.open} for each in reach.executed[:SHOWN]],
        "left_out": sum(max(len(some) - SHOWN, 0) for some in every),
    }
