"""What policy allows without a person: the tier that an action has by what its run pinned, and the rate of its type."""

import json

from sqlalchemy import Connection

from contracts.actions import Rate, Receipt, Tier
from contracts.intents import Perform
from contracts.pins import Began
from contracts.terms import ruling
from contracts.text import amount
from ledger import action_rates


def tier_now(request: Perform, pins: Began) -> Tier | None:
    """The tier that this action has by the run's pins; None if it declared no such type.

    Judged again here, from the bytes that are about to be used: the workflow's own judgement only opens gates.
    """
    terms = pins.terms.get(request.intent.type)
    if terms is None:
        return (pins.actions or {}).get(request.intent.type)
    known = json.loads(request.arguments) if request.arguments else None
    return ruling(request.intent.type, terms, pins.rules, request.facts, known).tier


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
