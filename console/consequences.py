"""What an approval lets happen: from the actions that ride on the gate and what the run has pinned, not from words."""

from dataclasses import dataclass

from contracts.actions import ActionTerms, Tier
from contracts.gates import GateView
from contracts.intents import Intent
from contracts.pins import Began
from contracts.text import amount_that
from ledger import gate_actions, runs
from ledger.db import Connection
from ledger.views.gates import Subject

_AFTER: dict[Tier, str] = {
    "auto": "done by Baton as soon as this is approved",
    "confirm": "done by Baton once this is approved",
    "draft": "left to a person, who says afterwards whether it is done",
}
_LATER: dict[Tier, str] = {
    "auto": "without asking anybody again",
    "confirm": "only after a person has approved it at a gate",
    "draft": "by a person alone, who is asked for it at a gate",
}


@dataclass(frozen=True)
class Effect:
    """An action that rides on the gate. `undone`: whether it can be taken back, as policy says; "" where nobody said."""

    type: str
    summary: str
    target: str
    key: str
    tier: Tier
    happens: str
    undone: str
    accountable: str
    taint: tuple[str, ...]


@dataclass(frozen=True)
class Consequences:
    """`effects` are bound by the approval; `steps` is what the run does then; `later` are types of action that it may still
    want afterwards, with what each takes."""

    effects: tuple[Effect, ...]
    steps: tuple[str, ...]
    later: tuple[str, ...]


def consequences(connection: Connection, found: Subject) -> Consequences | None:
    """What happens once this gate is approved; None at a gate that takes no approval."""
    view = found.gate.view
    if "approve" not in view.verbs:
        return None
    pins = runs.find_pins(connection, view.trace)
    effects = tuple(_effect(one, pins) for one in gate_actions.intents(connection, view.trace, view.gate))
    bound = {one.type for one in effects}
    later = () if pins is None or pins.actions is None else tuple(sorted(set(pins.actions.items())))
    return Consequences(
        effects=effects,
        steps=(*_approvals(view), *_steps(found), *([] if effects else ["Nothing leaves Baton by this approval alone."])),
        later=tuple(f"{name}: {_LATER[tier]}" for name, tier in later if name not in bound),
    )


def _effect(intent: Intent, pins: Began | None) -> Effect:
    terms = _terms(intent.type, pins)
    tier: Tier = terms.tier if terms else (pins.actions or {}).get(intent.type, "confirm") if pins else "confirm"
    # A run goes by the stricter tier where words from outside have reached the action.
    tier = terms.tainted_tier if terms and intent.taint else tier
    owner = pins.owner if pins else ""
    accountable = terms.accountable if terms else ""
    return Effect(
        type=intent.type,
        summary=intent.summary,
        target=intent.target,
        key=intent.key,
        tier=tier,
        happens=_AFTER[tier],
        undone=terms.reversible if terms else "",
        accountable=f"{accountable} ({owner})" if accountable == "owner" and owner else accountable,
        taint=intent.taint,
    )


def _terms(type: str, pins: Began | None) -> ActionTerms | None:
    return None if pins is None else pins.terms.get(type)


def _approvals(view: GateView) -> tuple[str, ...]:
    left = view.approvals - len(view.approved_by)
    return (f"It takes {left} more approvals, each of somebody else; nothing happens before the last one.",) if left > 1 else ()


def _steps(found: Subject) -> tuple[str, ...]:
    if found.gate.view.kind != "plan" or found.plan is None:
        return ()
    every = found.plan.ordered()
    named = "; ".join(f"{one.id} ({', '.join(one.files)})" for one in every)
    return (f"{amount_that(len(every), 'item', 'is', 'are')} written, each in a workspace of its own: {named}.",)
