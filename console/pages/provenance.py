"""What a thing came from, and what came from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from console.pages.asked import Asked
from contracts.printed import command
from ledger import condemnations
from ledger.db import Connection
from ledger.views.identities import places_of
from ledger.views.impact import impact_of
from ledger.views.origins import Node, Origins, find_start
from ledger.views.states import states_of
from ledger.views.tree import Step, Tree

CAME_FROM = 120
"""Most things in the tree of what it came from."""

USED_BY, LISTED = 60, 40
"""Most things that came from it, and most runs, actions and gates, on a page."""

LOOKED_AT = 10_000
"""Most things that are gone through for what came from it; `baton impact` goes on to 200,000."""


@dataclass(frozen=True)
class Thing:
    """One thing, how far it has got, and what was condemned of it. `run` is the trace of the run that has it, or ""."""

    id: str
    kind: str
    label: str
    state: str
    run: str


@dataclass(frozen=True)
class Above:
    """A thing in the tree: how deep it stands, whether an earlier one shows what it came from, and how much is left out."""

    thing: Thing
    depth: int
    again: bool
    more: int


def provenance(connection: Connection, asked: Asked) -> dict[str, Any]:
    """What a thing came from, and what came from it; nothing where the query names none."""
    wanted = asked.query.get("id", "")
    if not wanted:
        return {"id": "", "start": None}
    origins, start = find_start(connection, wanted)
    tree = Tree(origins, CAME_FROM)
    tree.walk(start)
    starts = origins.starts(start)
    found = impact_of(connection, starts, LOOKED_AT)
    below = found.nearest[:USED_BY]
    things = _things(connection, origins, start, tree.steps, below)
    marks = condemnations.marks(connection, starts[:LOOKED_AT])
    return {
        "id": start.id,
        "start": things[start.id],
        "condemned": list(dict.fromkeys(one for several in marks.values() for one in several)),
        "came_from": [Above(things[one.node.id], one.depth, one.again, one.more) for one in tree.steps],
        "why_command": command("why", start.id),
        "used_by": [things[one] for one in below],
        "counted": dict(sorted(found.things.items())),
        "more_used_by": max(sum(found.things.values()) - len(starts) - len(below), 0),
        "complete": found.complete,
        "runs": found.runs[:LISTED],
        "effects": found.effects[:LISTED],
        "gates": found.gates[:LISTED],
        "left_out": sum(max(len(some) - LISTED, 0) for some in (found.runs, found.effects, found.gates)),
        "impact_command": command("impact", start.id),
    }


def _things(
    connection: Connection, origins: Origins, start: Node, steps: Iterable[Step], below: Iterable[str]
) -> dict[str, Thing]:
    """All that the page names, by id."""
    labels = {step.node.id: (step.node.kind, step.label) for step in steps}
    below = list(below)
    places = places_of(connection, [*labels, *below])
    known = {origins.trace: origins}
    for one in below:
        if one in labels:
            continue
        trace = places[one].trace or origins.trace
        its = known.setdefault(trace, origins if trace == origins.trace else Origins(connection, trace))
        node = Node(places[one].kind, one)
        labels[one] = (node.kind, its.label(node))
    states = states_of(connection, places)
    if start.kind == "run":
        states[start.id], places[start.id] = "", places[start.id]._replace(trace=start.id)
    return {one: Thing(one, kind, label, states[one], places[one].trace) for one, (kind, label) in labels.items()}
