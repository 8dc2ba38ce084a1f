"""Condemning what turned out to be wrong: what came from it is held, and what has happened is listed until it is settled.

Whoever may decide at a gate `held` may condemn, settle and undo: all three say what becomes of what is held.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from activities.gates import condemned_lines, mending
from activities.gates.mending import Planned, Proposer
from activities.gates.policy import Policy
from contracts.errors import NotFound, Refused
from contracts.gates import Verb
from contracts.printed import command
from contracts.text import one_line
from ledger import actions, condemnations, gates
from ledger.condemnations import Condemnation, How
from ledger.db import in_parts
from ledger.views.actions import named
from ledger.views.condemned import HAPPENED, MAY_HAVE, STILL_TO_COME, Standing, standing_of
from ledger.views.impact import Effect

MOST = 100_000
"""Most things that one condemnation is of."""


@dataclass(frozen=True)
class Condemned:
    """What a condemnation came to: what it reaches, how many things are new to it (0: all were condemned before), and what was
    proposed to take back what has happened."""

    standing: Standing
    fresh: int
    planned: Sequence[Planned] = ()


def refuses(policy: Policy, verb: Verb, by: str) -> str | None:
    """Why this person may not condemn (`reject`), or settle or undo (`approve`), or None."""
    # Of what all runs made nobody asked for the run: as with ceilings that runs share, the default owner stands for it.
    return policy.refuses(policy.gate("held"), verb, by, policy.defaults.owner)


def _check(policy: Policy, verb: Verb, by: str) -> None:
    if (refused := refuses(policy, verb, by)) is not None:
        raise Refused(f"{refused}; [gates.held] of the policy says who may condemn, settle and undo")


def _asked(policy: Policy) -> list[str]:
    """Who may say what becomes of it. There is no run whose owner could be meant."""
    owner = [policy.defaults.owner] if policy.defaults.owner else []
    return [name for one in policy.gate("held").who for name in (owner if one == "owner" else [one])]


def condemn(
    connection: Connection,
    policy: Policy,
    things: Sequence[str],
    what: str,
    by: str,
    why: str,
    proposer: Proposer | None = None,
) -> Condemned:
    """Condemn these things, mark the approved actions that came from them as held, and propose what takes back the executed
    ones; None: nothing is proposed. Safe to call twice.

    Raises `Refused` for somebody who may not, and for more things than one condemnation takes.
    """
    _check(policy, "reject", by)
    if len(things) > MOST:
        raise Refused(f"that is more than {MOST} things; condemn a part of them at a time, such as by --since and --until")
    one, fresh = condemnations.condemn(connection, things, one_line(what, 300), by, why)
    if not fresh:
        return Condemned(standing_of(connection, one, policy.undone_by()), 0)
    # Whoever is deciding there, or sending, is waited for: what is then reported as held is not being done.
    undone_by = policy.undone_by()
    found = standing_of(connection, one, undone_by)
    gates.lock(connection, [gate.thing for gate in found.reach.impact.gates])
    locked = standing_of(connection, one, undone_by, found.reach.impact)
    if locked.reach.gates != found.reach.gates:
        locked = standing_of(connection, one, undone_by)  # a gate was decided meanwhile, which may have approved something
    actions.hold_back(connection, sorted(effect.key for effect in locked.reach.pending), one.told)
    standing = standing_of(connection, one, undone_by, locked.reach.impact)
    planned = mending.propose(connection, proposer, standing) if proposer is not None else []
    standing = standing_of(connection, one, undone_by, standing.reach.impact) if planned else standing
    condemnations.tell(connection, condemned_lines.condemned(standing, fresh, _asked(policy)))
    if planned:
        condemnations.tell(connection, condemned_lines.proposed(one, planned))
    return Condemned(standing, fresh, planned)


def propose(connection: Connection, policy: Policy, name: str, by: str, proposer: Proposer) -> Condemned:
    """Propose what takes back the executed actions of a condemnation that have no proposal yet, such as those that were sent
    when it was made. Safe to call twice. Raises `NotFound`, `Ambiguous`, and `Refused` for somebody who may not.
    """
    _check(policy, "approve", by)
    one = condemnations.find(connection, name)
    standing = standing_of(connection, one, policy.undone_by())
    planned = mending.propose(connection, proposer, standing)
    if any(each.prepared is not None for each in planned):
        condemnations.tell(connection, condemned_lines.proposed(one, planned, by))
    return Condemned(standing_of(connection, one, policy.undone_by()), 0, planned)


def decline(connection: Connection, policy: Policy, key: str, by: str, why: str) -> tuple[str, list[Standing]]:
    """Decline what was proposed: what it would take back stays, and its condemnations are settled as far as that goes.

    Returns the proposal's key, and how they stand then. Raises `NotFound`, `Ambiguous`, and `Refused` for somebody who may not,
    for what is not proposed any more, and for what a run has begun.
    """
    _check(policy, "approve", by)
    row = named(connection, key)
    undone = mending.decline(connection, row.key, by, why)
    found = condemnations.reaching(connection, undone)
    for one, effect in ((one, each) for one in found for each in undone):
        condemnations.settle(connection, one.id, effect, "declined", why, row.key, by)
    condemnations.tell(connection, condemned_lines.proposal_declined(row.key, row.summary, row.updated_at, by, why))
    return row.key, [standing_of(connection, one, policy.undone_by()) for one in found]


def undo(connection: Connection, policy: Policy, name: str, by: str, why: str) -> Standing:
    """Take a condemnation back and let go what it alone held. Returns what it reached until now.

    Raises `NotFound`, `Ambiguous`, and `Refused` for somebody who may not, or where it is undone already.
    """
    _check(policy, "approve", by)
    one = condemnations.find(connection, name)
    before = standing_of(connection, one, policy.undone_by())
    if not condemnations.undo(connection, one.id, by, why) and (one.undone_by, one.undone_why) != (by, why):
        raise Refused(f"condemnation {one.id} was undone before, by {one.undone_by}: {one.undone_why}")
    _let_go(connection, before.reach.impact.effects)
    happened = [each.effect.key for each in before.reach.executed]
    withdrawn = mending.withdraw(connection, happened, f"condemnation {one.id} was undone by {by}: {why}")
    condemnations.tell(connection, condemned_lines.condemnation_undone(before, by, why, _asked(policy), withdrawn))
    return Standing(condemnations.find(connection, one.id), before.reach)


def _let_go(connection: Connection, effects: Iterable[Effect]) -> None:
    """Make held actions approved again unless something else holds them."""
    keys = sorted(effect.key for effect in effects if effect.state == "held")
    for some in in_parts(keys):
        # One walk for all of them: most often nothing else holds any.
        others = condemnations.reaching(connection, some)
        actions.let_go(connection, [key for key in some if not others or not _is_held(connection, key)])


def _is_held(connection: Connection, key: str) -> bool:
    return bool(condemnations.holding(connection, actions.get(connection, key).trace, [key], key))


def settle(
    connection: Connection, policy: Policy, name: str, action: str, how: How, by: str, note: str, reference: str = ""
) -> Standing:
    """Say what became of one action that had come from something condemned. Returns how the condemnation stands then.

    done and declined are for what has happened; goes_on lets what is held be carried out. Where an action took it back, and no
    `reference` is given with done, that action is the reference. Safe to call twice. Raises `NotFound`, `Ambiguous`, and
    `Refused` for somebody who may not, for another action, and where something else was said before.
    """
    _check(policy, "approve", by)
    one, row = condemnations.find(connection, name), named(connection, action)
    if one.undone_at is not None:
        raise Refused(f"condemnation {one.id} was undone by {one.undone_by}: nothing is left to settle")
    standing = standing_of(connection, one, policy.undone_by())
    effect = next((effect for effect in standing.reach.impact.effects if effect.key == row.key), None)
    if effect is None:
        raise NotFound(
            f"action {row.key[:12]} ({row.summary}) did not come from what condemnation {one.id} is about; "
            f"`{command('condemned show', one.id)}` lists those that did"
        )
    _check_settling(one, effect, how)
    given, reference = reference, reference or (_took_back(standing, effect) if how == "done" else "")
    if not condemnations.settle(connection, one.id, row.key, how, note, reference, by):
        said = condemnations.remedies(connection, one.id)[row.key]
        if (said.how, said.by, said.note, said.reference) == (how, by, note, given or said.reference):
            return standing
        raise Refused(f"of action {row.key[:12]} {said.by} has said {_WORDS[said.how]} before: {said.note}")
    if how == "goes_on":
        _let_go(connection, [effect])
    else:
        mending.withdraw(connection, [effect.key], f"{by} has said {_WORDS[how]} of what it would take back: {note}")
    condemnations.tell(connection, condemned_lines.condemned_settled(one, effect, how, by, note, reference))
    return standing_of(connection, one, policy.undone_by())


def _took_back(standing: Standing, effect: Effect) -> str:
    """The key of the action that took it back; "" where none has."""
    back = next((it.compensation for it in standing.reach.executed if it.effect.key == effect.key), None)
    return back.key if back is not None and back.is_done else ""


_WORDS: dict[How, str] = {"done": "done", "declined": "declined", "goes_on": "that it goes on"}


def _check_settling(one: Condemnation, effect: Effect, how: How) -> None:
    it = f"action {effect.key[:12]} ({effect.summary}) is {effect.state}"
    if how == "goes_on" and effect.state not in STILL_TO_COME:
        raise Refused(f"{it}: --go-on is for what is held and has not happened")
    if how == "goes_on" or effect.state in HAPPENED:
        return
    if effect.state in MAY_HAVE:
        settle = command("actions settle", effect.key[:12], options="--happened -m …")
        raise Refused(
            f"{it}: nobody knows yet whether it has happened. `{settle}` or --did-not-happen says it; or look again in a moment"
        )
    if effect.state in STILL_TO_COME:
        on = command("condemned settle", one.id, effect.key[:12], options="--go-on -m …")
        off = command("actions abandon", effect.key[:12], options="-m …")
        raise Refused(f"{it}, so there is nothing to mend: `{on}` has it carried out all the same, `{off}` gives it up")
    raise Refused(f"{it}: nothing has happened, and there is nothing to settle")


def held_at(connection: Connection, trace: str, gate: str) -> tuple[Condemnation, ...]:
    """What keeps a gate from being approved: condemnations of what it shows, or of what that came from."""
    return condemnations.holding(connection, trace, [f"{trace}/{gate}"])


def not_approved(held: Sequence[Condemnation]) -> str:
    """Why a gate is not approved, and what can be done."""
    told, ids = "; ".join(one.told for one in held), ", ".join(one.id for one in held)
    return one_line(
        f"what this gate shows came from something condemned: {told}. Reject it or ask for changes; or let the run go on at "
        f"its gate held; or have {ids} undone (`baton condemned undo`)",
        1000,
    )
