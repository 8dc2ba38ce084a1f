"""Which turns of a run family came to nothing. Pure: works on what was read."""

from ledger.figures.families import Asked, Family, by_path

UNDONE = frozenset({"could_not", "cancelled", "failed"})
"""States of runs that ended without what was asked for."""


def thrown_away(family: Family) -> set[str]:
    """Ids of the turns whose work is in nothing that the run produced.

    These are all turns of a run that ended could_not (as after a rejected plan or change), cancelled or failed; else the turns

    - of a step whose last handoff says could_not, or that has none although the run has ended;
    - of a step whose handoff was replaced by another at a later revision of its gate (sent back, or planned again), and of
      every step whose handoff derives from it;
    - that are no longer in their step's conversation, because the run went another way after a reset. The newest turn of a
      step counts as the end of its conversation.

    The work of an open run counts as kept until the run ends.
    """
    if family.run is not None and family.run.state in UNDONE:
        return {row.id for row in family.turns}
    lost = _failed_steps(family) | _superseded_steps(family)
    return {row.id for row in family.turns if row.path in lost} | _left_branches(family)


def outcomes(family: Family) -> dict[str, str]:
    """How each step with turns ended, by path: its last handoff's outcome; `nothing` without one, `open` while one may come."""
    last = {path: str(rows[-1].outcome) for path, rows in by_path(family.handoffs).items()}
    missing = "nothing" if family.run is not None and family.run.ended_at is not None else "open"
    return {path: last.get(path, missing) for path in {row.path for row in family.turns}}


def _failed_steps(family: Family) -> set[str]:
    return {path for path, outcome in outcomes(family).items() if outcome in ("could_not", "nothing")}


def _superseded_steps(family: Family) -> set[str]:
    """Paths of handoffs that were replaced at a later revision of their gate, and of everything made from those."""
    if all(row.revision == 1 for row in family.gates):
        return set()
    last: dict[tuple[str, str], Asked] = {}
    for row in sorted(family.gates, key=lambda row: row.revision):
        last[(row.path, row.kind)] = row
    old = {row.subject for row in family.gates if row.subject != last[(row.path, row.kind)].subject}
    reached = {row.id for row in family.handoffs if row.digest in old}
    front = reached
    # What was reached before is taken out, so that a circle of edges ends.
    while front:
        front = {row.child for row in family.derived if row.parent in front} - reached
        reached = reached | front
    return {row.path for row in family.handoffs if row.id in reached}


def _left_branches(family: Family) -> set[str]:
    """Turns that do not lead to the newest turn of their step."""
    left: set[str] = set()
    for rows in by_path(family.turns).values():
        parents = {row.id: row.parent for row in rows}
        if len({row.parent for row in rows}) == len(rows):
            continue  # no turn has two successors: one conversation without branches
        at = rows[-1].id
        while at in parents:
            at = parents.pop(at)
        left |= parents.keys()
    return left
