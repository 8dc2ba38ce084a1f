"""The transactions after a call: charge, judge and store its reply, or release or charge what it held."""

from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from activities.providers.base import ProviderError
from activities.tools.program import WRITING
from activities.turns import billing
from activities.turns.call import Call, Started
from activities.turns.choices import Candidate
from activities.turns.health import Health
from activities.turns.replies import KEPT, Judgement, bounded, judge
from activities.turns.storage import store_turn
from contracts.conversation import ModelReply
from contracts.programs import PROGRAM
from contracts.runs import Note
from contracts.turns import CallModel, Turn
from ledger import artifacts, feed
from ledger.money import rates, spend


def settle(
    connection: Connection, files: Path, health: Health, call: Call, started: Started, reply: ModelReply, latency_ms: int
) -> Turn:
    """Charge what the reply cost and store it as a turn. Safe to call twice; of several attempts the first one stands."""
    reply, judged = _judged(connection, files, call, started, reply)
    bill = billing.billed(started, reply)
    # Missing or impossible usage: the reservation is charged in full, and the turn is flagged.
    if not bill.counted:
        reply = reply.model_copy(update={"usage": None})
    charged = spend.settle(connection, started.reservation, bill.cost)
    started = replace(started, tariff=bill.tariff)
    # Before the turn is stored, which locks the feed's counter last: from there on all other writers of lines wait.
    told = [
        *_report(connection, health, call.request, started, judged, reply),
        *billing.notes(started, reply, bill),
    ]
    return store_turn(connection, files, call, started, reply, judged, charged, latency_ms, told)


def _judged(
    connection: Connection, files: Path, call: Call, started: Started, reply: ModelReply
) -> tuple[ModelReply, Judgement]:
    """The reply as it is stored, and what it means."""
    reply, whole = bounded(reply)
    if not whole:
        # Only where our own provider asks for it: no model can call a program.
        agent = replace(call.agent, tools=(WRITING,)) if started.choice.provider == PROGRAM else call.agent
        return reply, judge(reply, agent, finish=call.request.finish is not None)
    artifacts.put(connection, files, whole, "application/json")
    return reply, Judgement(problem=f"it had {len(whole)} bytes and may have {KEPT}; answer shorter, or in smaller steps")


def _report(
    connection: Connection, health: Health, request: CallModel, started: Started, judged: Judgement, reply: ModelReply
) -> list[Note]:
    """Update the choice's breakers and rate limit. Returns feed lines; as a rule none, and nothing is written."""
    if started.taken is not None and reply.usage is not None:
        rates.correct(connection, started.taken, reply.usage.input + reply.usage.output)
    said = judged.problem
    if judged.answer is not None:
        said = judged.answer.reason if judged.answer.outcome == "could_not" else ""
    return health.answered(connection, request, started.candidate, said)


def close(
    connection: Connection,
    health: Health,
    request: CallModel,
    candidate: Candidate,
    reservation: str,
    how: str,
    error: ProviderError | None,
    cost: int | None = None,
) -> int:
    """End an attempt's reservation, and count the provider's failure against its model. Safe to call twice.

    `cost` is what a lost one is charged; None: all that it held. Returns how often the model has failed this call with the
    same words, see `Health.repeated`.
    """
    # It was closed before, by this attempt or by a later one that gave it up. A failure counts once at most.
    if not spend.close(connection, reservation, how, cost):
        return 0
    if error is None:
        health.give_back(connection, request, candidate)
        return 0
    spend.note_error(connection, reservation, error.kind)
    # Before the failure is counted: that replaces the words of the one before it.
    times = health.repeated(connection, request, candidate, error)
    feed.append(connection, request.run, health.failed(connection, request, candidate, error))
    return times
