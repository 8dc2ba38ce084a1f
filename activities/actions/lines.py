"""Texts of the feed lines of this room, in one place."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from contracts.actions import Deliver, NoteAction, Receipt, Resolve
from contracts.base import digest_of
from contracts.intents import Intent
from contracts.notices import Occasion
from contracts.printed import command
from contracts.runs import WHEN_WRITTEN, Importance, Note
from contracts.text import amount, one_line
from ledger.breakers import Opening
from ledger.db import from_us


def allowed(intent: Intent, trace: str, policy_digest: str) -> Note:
    """No person was asked, because policy allows the action."""
    return Note(
        key=f"action/{intent.key}/allowed/{trace}",
        at=WHEN_WRITTEN,
        stage="act",
        actor="policy",
        did=f"allowed: {intent.summary}",
        why=f"policy has tier auto for {intent.type}: no person is asked; policy {policy_digest}",
        next="it is carried out",
        inputs=(intent.key,),
    )


def over_rate(intent: Intent, trace: str, receipt: Receipt) -> Note:
    """The rate of this type is used up: a person is asked, or it waits."""
    then = f"it waits until {receipt.at:%Y-%m-%d %H:%M:%S} UTC" if receipt.at is not None else "a person is asked"
    return Note(
        key=f"action/{intent.key}/rate/{trace}/{receipt.at.isoformat() if receipt.at else ''}",
        at=WHEN_WRITTEN,
        stage="act",
        actor="policy",
        did=f"over its rate: {intent.summary}",
        why=receipt.problem,
        next=then,
        inputs=(intent.key,),
    )


def from_outside(intent: Intent, trace: str, why: str) -> Note:
    """An action of tier auto goes by text from outside: a person is asked."""
    return Note(
        key=f"action/{intent.key}/outside/{trace}",
        at=WHEN_WRITTEN,
        stage="act",
        actor="policy",
        did=f"not by itself: {intent.summary}",
        why=why,
        next="a person is asked",
        inputs=(intent.key,),
    )


def not_allowed(intent: Intent, trace: str, reason: str) -> Note:
    """The outbox has the same event with other arguments."""
    return Note(
        key=f"action/{intent.key}/refused/{trace}/{intent.arguments_digest}",
        at=WHEN_WRITTEN,
        stage="act",
        actor="policy",
        did=f"refused: {intent.summary}",
        why=reason,
        next="nothing was done",
        importance="alert",
        inputs=(intent.key,),
    )


def note_key(note: NoteAction) -> str:
    """The key of a note's feed line: by it the ledger recognises that the note exists."""
    return f"note/{note.key()}"


def noted(note: NoteAction, digest: str, when: datetime) -> Note:
    """A note about a run; the artifact has the whole text."""
    return Note(
        key=note_key(note),
        at=when,
        stage="act",
        actor="relay",
        did=f"note {one_line(note.name, 100)}: {one_line(note.text, 1000)}",
        outputs=(digest,),
    )


def done_before(receipt: Receipt, trace: str) -> Note:
    """Another run has done it before, and the target was asked whether it still has it."""
    asked = f"it was there already, by run {receipt.done_by}; the target was asked, and nothing was sent"
    return Note(
        key=f"action/{receipt.key}/before/{trace}",
        at=WHEN_WRITTEN,
        stage="act",
        actor="relay",
        did=f"{'already there' if receipt.state == 'delivered' else receipt.state}: {receipt.summary}",
        why=receipt.problem or asked,
        next=receipt.reference and f"receipt {receipt.reference}",
        inputs=(receipt.key,),
    )


def lost_by_target(key: str, summary: str, fence: int, trace: str) -> Note:
    """Another run has done it, the target has it no longer, and this run does it again on its own approval."""
    return Note(
        key=f"action/{key}/lost/{fence}/{trace}",
        at=WHEN_WRITTEN,
        stage="act",
        actor="relay",
        did=f"to be done again: {summary}",
        why="an earlier run has done it, and the target does not have it any more",
        next="it is carried out on this run's approval",
        inputs=(key,),
    )


def to_be_asked(key: str, summary: str, fence: int, trace: str) -> Note:
    """Another run has done it, and this run has left it to the relay, which asks the target whether it is there."""
    return _of_relay(
        f"action/{key}/asked/{fence}/{trace}",
        f"to be found or done again: {summary}",
        "an earlier run has done it, and nobody has asked the target yet whether it is still there",
        "the relay asks it, and carries out what is not there on this run's approval",
        key,
    )


def handed_over(row: Row[Any], trace: str) -> Note:
    """A run has left an action to the relay."""
    waits = "its run waits for the receipt" if row.relay == "waited" else "its run goes on without waiting"
    return _of_relay(
        f"action/{row.key}/handed/{trace}/{row.handed_at}",
        f"handed over: {row.summary}",
        waits,
        "the relay carries it out",
        row.key,
    )


def swept(row: Row[Any]) -> Note:
    """The relay takes over what a run has left behind."""
    return _of_relay(
        f"action/{row.key}/swept/{row.handed_at}",
        f"taken over: {row.summary}",
        "it may happen, and its run is over",
        "the relay asks the target whether it has happened" if row.state == "sending" else "the relay carries it out",
        row.key,
    )


def held(row: Row[Any], told: str) -> Note:
    """An action is not carried out, because it came from something condemned. One line per action and what holds it."""
    return _of_relay(
        f"action/{row.key}/held/{digest_of(told)[:16]}",
        f"held: {row.summary}",
        f"it came from something condemned: {told}"[:2000],
        "nothing was sent, and nothing is until a person lets it or the condemnation is undone",
        row.key,
        importance="alert",
    )


def given_up(row: Row[Any], state: str) -> Note:
    """The relay does not try an action any more: nothing has happened, or a person has to find out."""
    key = row.key[:12]
    again = f"`{command('actions retry', key)}`"
    then = {
        "dead": f"nothing was done; {again} has it tried again, `baton actions abandon` closes it",
        "unknown": f"a person finds out whether it happened: `{command('actions settle', key)}`; or {again} asks the target",
    }
    return _of_relay(
        f"action/{row.key}/given-up/{row.handed_at}/{row.tries}/{state}",
        f"{state}: {row.summary}",
        f"after {amount(row.tries, 'attempt')}: {one_line(row.problem, 1000)}",
        then[state],
        row.key,
        importance="alert",
    ).model_copy(update={"tells": Occasion(kind="dead_letter", about=key, what=f"{row.type}, {state}")})


def begun(intent: Intent, trace: str) -> Note:
    """A run has begun what was proposed."""
    return Note(
        key=f"action/{intent.key}/begun/{trace}",
        at=WHEN_WRITTEN,
        stage="act",
        actor="coordinator",
        did=f"began what was proposed: {intent.summary}",
        why="a person had it started",
        next="policy decides what it takes",
        inputs=(intent.key,),
    )


def by_operator(row: Row[Any], did: str, why: str, next: str, by: str) -> Note:
    """An operator has said what becomes of an action."""
    return Note(
        key=f"action/{row.key}/operator/{row.updated_at}/{did.partition(':')[0]}",
        at=WHEN_WRITTEN,
        stage="act",
        actor=by,
        did=did,
        why=one_line(why, 1000),
        next=next,
        importance="alert",
        inputs=(row.key,),
    )


def _of_relay(key: str, did: str, why: str, next: str, action: str, importance: Importance = "overview") -> Note:
    return Note(
        key=key,
        at=WHEN_WRITTEN,
        stage="act",
        actor="relay",
        did=did,
        why=why,
        next=next,
        importance=importance,
        inputs=(action,),
    )


def resolved(receipt: Receipt, request: Resolve) -> Note:
    """A person has said whether an action with an unknown outcome happened."""
    return Note(
        key=f"action/{receipt.key}/resolved/{request.happened}",
        at=WHEN_WRITTEN,
        stage="act",
        actor=request.by,
        did=f"{receipt.state}: {receipt.summary}",
        why=f"{request.by} found that it {'happened' if request.happened else 'did not happen'}",
        inputs=(receipt.key,),
    )


def settled(receipt: Receipt, fence: int, gate: str) -> Note:
    """How an action ended. One line per lease that settled it: its `fence` is in the key. `gate` "": policy allowed it."""
    let = "approved at the gate" if gate else "allowed by policy"
    how = "it was there already" if receipt.how == "found" else let
    return Note(
        key=f"action/{receipt.key}/{fence}",
        at=WHEN_WRITTEN,
        stage="act",
        actor="relay",
        did=f"{receipt.state}: {receipt.summary}",
        why=receipt.problem or how,
        next=receipt.reference and f"receipt {receipt.reference}",
        inputs=(receipt.key,),
    )


def waits(summary: str, breaker: str, opened_at: int, reason: str, request: Deliver) -> Note:
    """An action waits for its target, which has failed again and again. One line per outage and action."""
    return Note(
        key=f"action/{request.key}/waits/{request.run.trace}/{opened_at}",
        at=WHEN_WRITTEN,
        stage="act",
        actor="breaker",
        did=f"waits: {summary}",
        why=f"the circuit breaker of {breaker} is open: {reason}",
        next="it is tried again by itself when the breaker lets it (`baton models`)",
        importance="alert",
        inputs=(request.key,),
    )


def opened(opening: Opening, reason: str) -> Note:
    """A target's breaker opened."""
    return Note(
        key=f"breaker/{opening.name}/{opening.opened_at}/{opening.times}",
        at=WHEN_WRITTEN,
        stage="act",
        actor="breaker",
        did=f"circuit breaker {'still ' if opening.times > 1 else ''}open for {opening.name}",
        why=one_line(reason, 1000),
        next=f"no action goes there until {from_us(opening.until):%H:%M:%S} UTC, then one tries it (`baton models`)",
        importance="alert",
        tells=Occasion(kind="breaker_open", about=opening.name),
    )


def closed(name: str, opened_at: int) -> Note:
    """A target's breaker closed."""
    return Note(
        key=f"breaker/{name}/{opened_at}/closed",
        at=WHEN_WRITTEN,
        stage="act",
        actor="breaker",
        did=f"circuit breaker closed for {name}",
        why=f"it was open since {from_us(opened_at):%Y-%m-%d %H:%M:%S} UTC",
        next="actions go there again",
    )
