"""What condemning something would hold, and what of it has happened already: looked at before anything is changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from activities.gates import mending
from activities.gates.mending import Planned, Proposer
from activities.gates.policy import Policy
from contracts.base import canonical, sha256
from ledger.views.condemned import Reach, reach_of
from ledger.views.origins import find_start


@dataclass(frozen=True)
class Meant:
    """What somebody means by an id: `id` is the whole of it, `what` in words, `things` the ids that are condemned with it."""

    id: str
    what: str
    things: list[str]


@dataclass(frozen=True)
class Preview:
    """What it would hold, what of it has happened, and what would be proposed to take that back."""

    meant: Meant
    reach: Reach
    planned: list[Planned]

    @property
    def digest(self) -> str:
        """Of what it would hold and what has happened: the same for as long as a person would be shown the same of these.

        What a run that goes on makes meanwhile does not change it: that is held with the run.
        """
        reach = self.reach
        parts = {
            "id": self.meant.id,
            "complete": reach.impact.complete,
            "runs": sorted(one.trace for one in reach.runs),
            "gates": sorted(one.thing for one in reach.gates),
            "pending": sorted(one.key for one in reach.pending),
            "executed": sorted([one.effect.key, one.certain, one.open] for one in reach.executed),
            "proposed": sorted([one.of.effect.key, one.prepared.intent.key if one.prepared else ""] for one in self.planned),
        }
        return sha256(canonical(parts))


def meant_by(connection: Connection, identity: str) -> Meant:
    """What a person means by an id, as `baton why` takes it. Raises `NotFound` and `Ambiguous`."""
    origins, start = find_start(connection, identity)
    if start.kind == "run":
        return Meant(start.id, f"all that run {identity} made", origins.starts(start))
    return Meant(start.id, f"{start.kind} {start.id.rpartition('/')[2][:16]}", origins.starts(start))


def preview(connection: Connection, policy: Policy, meant: Meant, proposer: Proposer) -> Preview:
    """What condemning this would come to now. Only reads."""
    reach = reach_of(connection, meant.things, policy.undone_by())
    return Preview(meant, reach, mending.plans(connection, proposer, reach.left))


def selected(things: Sequence[str], what: str) -> Meant:
    """Several things that were selected, which have no id together."""
    return Meant("", what, list(things))
