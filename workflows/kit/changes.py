"""Named changes to what workflows do. To its end a run uses those that its release knew when it started.

To change the order or kind of a workflow's commands, give the change a name, add it to the list, and keep the old path beside
the new one: `if kit.knows("parking"): … else: …`. This costs no event: the names are pinned with agents and policy at the
start. Changes to the kit are listed here, those to one pipeline in its own `changes`. Why, and how a change is proven and
retired: docs/decisions/0009-named-changes.md.
"""

from collections.abc import Collection

from contracts.errors import NewerVersion
from contracts.pins import Began

IN_ORDER = "in-order"
"""Changes of a run's state are numbered, and a child's gates, and its end by cancellation, are its root's concern."""

WAITS_TOLD = "children-tell-waits"
"""A child tells its root that it waits for a model, or for room on a disk."""

PEOPLE_WORK = "people-work"
"""A model call may say that its route leads to a person. An older worker would take that for a turn without tool calls."""

PAUSES_TOLD = "children-tell-pauses"
"""A child tells its root that a pause of its agent, its project or more holds it. An older root would refuse the message."""

STEPS_AT_HAND = "steps-at-hand"
"""Short steps of the ledger alone are tried inside the workflow task: see `at_hand.py`."""

SLOTS_BACK = "slots-given-back"
"""A child that waits for a person gives its slot of a fan-out back, and tells so a parent that is not the root."""

CHANGES: tuple[str, ...] = (
    *("row-keeps-up", IN_ORDER, "nudge-ends-model-waits", WAITS_TOLD, PEOPLE_WORK, PAUSES_TOLD),
    *(STEPS_AT_HAND, SLOTS_BACK),
)
"""The kit's named changes."""


def understood(began: Began, known: Collection[str]) -> Began:
    """Check a run's pins. Raises `NewerVersion` if a newer release started it: the task then waits for a newer worker."""
    newer = [name for name in began.changes if name not in known]
    if newer:
        raise NewerVersion(
            f"this run started with changes that this worker does not know: {', '.join(newer)}. "
            "Upgrade this worker; until then the run waits for one that does"
        )
    return began
