"""Which commands a run issues: its story, by number. A run tells the one that it began with, to its end.

Who changes the order or the kind of commands of any workflow raises `STORY`, adds a line here, and leaves the old way beside
the new one: `if kit.since(2): … else: …`. It costs no event: the number is pinned with agents and policy at the start.

1. What the first release did.
2. The handoffs that enter a prompt count in the key of its turn: where one of them is another, the model is asked anew.
3. A refused reservation parks; what the models' providers, limits and fallbacks make of a step.
"""

from contracts.errors import NewerVersion
from contracts.pins import Began

STORY = 3


def known(began: Began) -> Began:
    """What a run goes by. Raises `NewerVersion` where a newer release began it: its task then waits for a worker of that."""
    if began.story > STORY:
        raise NewerVersion(
            f"this run tells story {began.story}, and this worker knows none after {STORY}. "
            "Upgrade this worker; until then the run waits for one that does"
        )
    return began
