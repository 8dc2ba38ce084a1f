"""Named changes of what workflows do. A run goes by those that its code knew when it began, to its end.

Whoever changes the order or the kind of a workflow's commands gives the change a name, adds it to the list, and keeps the old
way beside the new one: `if kit.knows("parking"): … else: …`. It costs no event: the names are pinned with agents and policy
at the start. Changes of the kit stand here, those of one pipeline in its own `changes`. Why, and how a change is proven and
retired: docs/decisions/0009-named-changes.md.
"""

from collections.abc import Collection

from contracts.errors import NewerVersion
from contracts.pins import Began

CHANGES: tuple[str, ...] = ("row-keeps-up",)
"""Of the kit."""


def understood(began: Began, known: Collection[str]) -> Began:
    """What a run goes by. Raises `NewerVersion` where a newer release began it: its task then waits for a worker of that."""
    newer = [name for name in began.changes if name not in known]
    if newer:
        raise NewerVersion(
            f"this run began with changes that this worker does not know: {', '.join(newer)}. "
            "Upgrade this worker; until then the run waits for one that does"
        )
    return began
