"""What an action takes in this run, and how risky it is to say yes: policy as it was pinned, and what the run knows."""

import json
from collections.abc import Mapping
from typing import Any

from temporalio import workflow

from contracts.gates import UNDECLARED_HELD, GatePolicy
from contracts.intents import Intent
from contracts.risk import LEVELS, Assessed, risk_of
from contracts.rules import Facts
from contracts.terms import Ruling, at_gate, own_gate, ruling
from workflows.kit.run import Run
from workflows.kit.tiers import tier_of
from workflows.kit.views import Ask


def reversible_of(run: Run, intents: tuple[Intent, ...]) -> str:
    """How these actions can be undone, as policy has it: the worst of them; "" if there is none, or nothing is known."""
    found = [terms.reversible for one in intents if (terms := run.pins.terms.get(one.type)) is not None]
    return max(found, key=lambda one: ("yes", "by", "no").index(one.split()[0]), default="")


def assessed(run: Run, about: Facts, intents: tuple[Intent, ...] = ()) -> Assessed:
    """The risk of saying yes to this, and to these actions."""
    return risk_of(run.grounds.circumstances(about, reversible_of(run, intents)))


def facts_of(run: Run, about: Facts, intent: Intent) -> Facts:
    """All that rules about an action go by, but its arguments. `about`: what the story knows of it."""
    facts = run.grounds.into(about)
    level = assessed(run, about, (intent,)).level
    known = {"project": run.ref.project, "pipeline": workflow.info().workflow_type}
    return facts.model_copy(update=known | {"risk": max(about.risk, level, key=LEVELS.index)})


def ruling_of(run: Run, intent: Intent, about: Facts, arguments: str = "") -> Ruling:
    """What this action takes, by what the run has pinned. `arguments`: its bytes as text; "" where they are not at hand.

    Raises a non-retryable `ApplicationError` for a type that the run did not declare.
    """
    tier, terms = tier_of(run.pins, intent.type), run.pins.terms.get(intent.type)
    if terms is None:
        return Ruling(tier=tier)  # it started before terms were pinned
    known: Mapping[str, Any] | None = json.loads(arguments) if arguments else None
    made = ruling(intent.type, terms, run.pins.rules, facts_of(run, about, intent), known)
    if made.tier == "auto" and run.unmetered:
        # Whatever policy lets happen by itself: nobody here has made these programs, or knows what they cost.
        why = f"an outside program may have done the steps of {', '.join(run.unmetered)}"
        made = made.model_copy(update={"tier": "confirm", "fired": (*made.fired, why)})
    return made


def _only_by(policy: GatePolicy, who: str) -> GatePolicy:
    """The rule for a step that is routed to one person or role: they, of those whom policy allows, and then whoever is next."""
    allowed = (*policy.who, *policy.escalation)
    return policy.model_copy(update={"who": (who,), "also": (*policy.also, allowed)})


def policy_at(run: Run, ask: Ask) -> tuple[GatePolicy, tuple[Intent, ...], tuple[str, ...]]:
    """The gate's rules, the actions that a yes allows, and why these take more than their types' terms say.

    An action of tier draft is never approved for us to send: it rides on its own gate only.
    """
    # A run that began before there were gates `held` has no rule for them.
    policy = run.pins.gates.get(ask.kind, UNDECLARED_HELD) if ask.kind == "held" else run.pins.gates[ask.kind]
    if ask.work is not None and ask.work.who != "*":
        policy = _only_by(policy, ask.work.who)
    riding, whys = list[Intent](), list[str]()
    for intent in ask.intents:
        made = ruling_of(run, intent, ask.about, ask.carrying.get(intent.key, ""))
        whys += made.fired
        if made.tier == "draft" and ask.kind != "draft":
            continue
        riding.append(intent.model_copy(update={"taint": facts_of(run, ask.about, intent).taint}))
        terms = run.pins.terms.get(intent.type)
        if terms is not None and ask.kind in ("action", "draft"):
            policy = own_gate(policy, terms)
        policy = at_gate(policy, made)
    # Whoever has done it says so, and one person can.
    policy = policy.model_copy(update={"approvals": 1}) if ask.kind == "draft" else policy
    return policy, tuple(riding), tuple(dict.fromkeys(f"policy: {why}" for why in whys))
