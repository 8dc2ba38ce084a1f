"""What policy allows without a person: the tier that an action has by what its run pinned, and the rate of its type."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection
from temporalio.exceptions import ApplicationError

from contracts.actions import Rate, Receipt, Tier
from contracts.intents import Perform
from contracts.outside import as_taint
from contracts.pins import Began
from contracts.terms import ruling
from contracts.text import amount
from ledger import action_rates
from ledger.outside import Origin


def tier_now(request: Perform, pins: Began) -> Tier | None:
    """The tier that this action has by the run's pins; None if it declared no such type.

    Judged again here, from the bytes that are about to be used: the workflow's own judgement only opens gates.
    """
    terms = pins.terms.get(request.intent.type)
    if terms is None:
        return (pins.actions or {}).get(request.intent.type)
    known = json.loads(request.arguments) if request.arguments else None
    return ruling(request.intent.type, terms, pins.rules, request.facts, known).tier


def by_text_from_outside(made: Sequence[Origin]) -> str:
    """Why a person is asked about arguments that stand only in text from outside; "" for none."""
    return f"policy asks a person where {'; '.join(one.brief for one in made)}" if made else ""


def tainted_more(request: Perform, pins: Began, sources: Sequence[str]) -> str:
    """Why the ledger's own record of what the run has seen asks for more than the run's words do; "" if it does not.

    Raises a non-retryable `ApplicationError` where a gate `action` is not enough, or the run has none.
    """
    known = as_taint((*request.facts.taint, *sources))
    facts = request.facts.model_copy(update={"taint": known})
    tier = tier_now(request.model_copy(update={"facts": facts}), pins)
    if tier == "auto":
        return ""
    if tier == "confirm" and "action" in pins.gates:
        return f"tainted by {', '.join(known[:5])}: policy has tier {tier} for it then"
    raise refused_by_policy(request)


def refused_by_policy(request: Perform) -> ApplicationError:
    """The error of an action that needs a person."""
    intent = request.intent
    return ApplicationError(
        f"{intent.summary}: this run's policy does not allow {intent.type} without a person; nothing was done",
        type="NotAllowed",
        non_retryable=True,
    )


def over_rate(connection: Connection, request: Perform, pins: Began) -> Receipt | None:
    """The answer where the rate of this type is used up: `proposed`, and `at` says when there is room if it is to wait.

    None: there is room. Nothing is written either way; what is proposed counts once it is in the outbox.
    """
    intent, terms = request.intent, pins.terms.get(request.intent.type)
    if terms is None or terms.rate is None:
        return None
    rate = terms.rate
    found = action_rates.used(connection, intent.type, rate, project=request.run.project, target=intent.target, key=intent.key)
    if found.room is None:
        return None
    said = (
        f"{found.count} {intent.type} in the last {_span(rate)}{_of(rate, request)}, policy allows {rate.most} without a person"
    )
    at = found.room if rate.over == "wait" else None
    return Receipt(key=intent.key, type=intent.type, state="proposed", summary=intent.summary, at=at, problem=said)


def _span(rate: Rate) -> str:
    seconds = int(rate.per.total_seconds())
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % size == 0:
            return amount(seconds // size, name)
    return amount(seconds, "second")


def _of(rate: Rate, request: Perform) -> str:
    return {
        "all": "",
        "project": f" for project {request.run.project}",
        "target": f" for {request.intent.target or 'no target'}",
    }[rate.of]
