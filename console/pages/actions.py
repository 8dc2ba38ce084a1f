"""What is still to happen outside, what ended badly, and what a person says becomes of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from activities.actions import operating
from activities.gates import condemning
from commands.decide.outgoing import facts, when_next
from console.pages.asked import Asked, said
from contracts.actions import SETTLED, ActionState
from contracts.errors import Refused
from ledger.db import Connection
from ledger.views.actions import PENDING, Outgoing, Verb, counts, named, outgoing
from ledger.views.feed import about
from ledger.views.notices import troubles
from ledger.views.runs import find_run
from ledger.views.workers import workers_of

LISTED = 100
"""Most actions on a page."""

GROUPS: tuple[tuple[str, tuple[ActionState, ...]], ...] = (
    ("Nobody knows whether it happened", ("unknown",)),
    ("Dead letters: tried and given up", ("dead",)),
    ("Held: it came from something condemned", ("held",)),
    ("Proposed: a person starts or declines it", ("proposed",)),
    ("Outbox: on its way", ("approved", "sending")),
)
"""What somebody may have to do something about, the most urgent first."""

LABELS: Mapping[Verb, str] = {
    "retry": "Try again",
    "abandon": "Give up",
    "settle": "Say whether it happened",
    "decline": "Decline",
}

_EFFECTS: Mapping[Verb, str] = {
    "retry": "The relay tries it again. What may have happened is asked of the target first.",
    "abandon": "It becomes declined: nothing was done, and nothing will be.",
    "settle": "It becomes delivered, or failed, as you found out at the target.",
    "decline": "It becomes declined: nothing is done, and what it would take back stays.",
}


@dataclass(frozen=True)
class Group:
    """Actions of which the same is to be said. `all` counts those there are, of which the newest are shown."""

    title: str
    actions: list[tuple[Outgoing, str]]
    """Each with what happens next."""
    all: int


@dataclass(frozen=True)
class Form:
    """What can be done with an action, and what that does."""

    verb: Verb
    label: str
    effect: str


def actions(connection: Connection, asked: Asked) -> dict[str, Any]:
    """What is not settled, by what it waits for; of one run, or of all."""
    run = asked.query.get("run") or None
    trace = "" if run is None else find_run(connection, run).trace
    there = counts(connection)
    groups = []
    for title, states in GROUPS:
        found = _newest(connection, states, trace)
        every = len(found) if trace else sum(there.get(state, 0) for state in states)
        if found:
            groups.append(Group(title, [(one, when_next(one)) for one in found], every))
    return {
        "groups": groups,
        "run": run,
        "settled": _newest(connection, sorted(SETTLED.difference(PENDING)), trace) if asked.query.get("settled") == "1" else [],
        "with_settled": asked.query.get("settled") == "1",
        "untold": [one for one in troubles(connection) if not one.is_well],
        "nobody_relays": _nobody_relays(connection, asked),
    }


def _newest(connection: Connection, states: Iterable[ActionState], trace: str) -> list[Outgoing]:
    """Those in these states that changed last, newest first."""
    # State by state: each is the end of an index, and all of them together would have to be sorted.
    found = [one for state in states for one in outgoing(connection, (state,), trace, LISTED)]
    return sorted(found, key=lambda one: one.updated_at, reverse=True)[:LISTED]


def _nobody_relays(connection: Connection, asked: Asked) -> bool:
    return not workers_of(connection, asked.here.settings.task_queue).relays


def action(connection: Connection, asked: Asked) -> dict[str, Any]:
    """One action: all that is known of it, its lines on the feed, and a form for each thing that can be done with it."""
    one = named(connection, asked.path["key"])
    return {
        "action": one,
        "version": one.version,
        "facts": facts(one),
        "feed": about(connection, one.key),
        "forms": [Form(verb, LABELS[verb], _EFFECTS[verb]) for verb in one.takes],
        "nobody_relays": _nobody_relays(connection, asked),
    }


def retry(connection: Connection, asked: Asked, by: str, fields: Mapping[str, str]) -> None:
    """Have it tried again."""
    key, why = _seen(connection, asked, fields)
    operating.retry(connection, key, by, why)


def abandon(connection: Connection, asked: Asked, by: str, fields: Mapping[str, str]) -> None:
    """Give it up."""
    key, why = _seen(connection, asked, fields)
    operating.abandon(connection, key, by, why)


def settle(connection: Connection, asked: Asked, by: str, fields: Mapping[str, str]) -> None:
    """Say whether it happened."""
    found, reference = fields.get("happened", ""), fields.get("reference", "").strip()[:1000]
    if found not in ("yes", "no"):
        raise Refused("say whether it happened; nothing was done")
    if reference and found == "no":
        raise Refused("a reference is the target's id for what happened; leave it out. Nothing was done")
    key, why = _seen(connection, asked, fields)
    operating.settle(connection, key, by, why, happened=found == "yes", reference=reference)


def decline(connection: Connection, asked: Asked, by: str, fields: Mapping[str, str]) -> None:
    """Decline what was proposed."""
    key, why = _seen(connection, asked, fields)
    condemning.decline(connection, asked.here.policy(connection), key, by, why)


def _seen(connection: Connection, asked: Asked, fields: Mapping[str, str]) -> tuple[str, str]:
    """The action's key, and the reason; only where the action still is as the form's page has shown it."""
    why = said(fields)
    operating.check_unchanged(connection, asked.path["key"], fields.get("version", ""))
    return asked.path["key"], why
