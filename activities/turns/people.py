"""Steps that a person does instead of a model: what they are asked, and their answer as a turn like any other."""

import json
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row

from activities.running.commit import commit_riders
from activities.turns.call import Call
from activities.turns.choices import Candidate
from activities.turns.replies import judge
from activities.turns.reservation import Reservations
from activities.turns.storage import store_turn
from activities.turns.turn_view import turn_of
from contracts.agents import ANYBODY, Choice
from contracts.conversation import ModelReply, Usage
from contracts.errors import NotFound
from contracts.handoff import ByPerson
from contracts.turns import Turn
from contracts.work import Work, WorkSheet
from ledger import artifacts, gates, handoffs, turns
from ledger.db import Ledger


@dataclass(frozen=True)
class People:
    """Asks people, and takes what they answered at a gate. No money is reserved and no provider is asked."""

    ledger: Ledger
    reservations: Reservations

    def ask(self, connection: Connection, call: Call, candidate: Candidate) -> Turn:
        """What a person is asked in place of this call, stored as an artifact; or the call's turn, if it was answered before.

        Safe to call twice. Raises what `Reservations.read` raises.
        """
        request = call.request
        if (stored := turns.find(connection, request.key)) is not None:
            commit_riders(connection, request)
            return turn_of(stored)
        started = self.reservations.read(connection, call, candidate, "")
        agent = f"{call.ref.name}@{call.ref.version}"
        sheet = WorkSheet(
            agent=agent,
            instructions=started.prompt.system,
            messages=started.prompt.messages,
            form=started.prompt.answer_schema,
        )
        kept = artifacts.put(connection, self.ledger.files, sheet.stored(), "application/json")
        run = request.run
        # Under its own name, for the run's provenance; untrusted as its parts are.
        tainted = started.taint
        artifacts.note_seen(
            connection, run.trace, run.path, kept.digest, "work sheet", untrusted=bool(tainted), sources=tainted
        )
        commit_riders(connection, request)
        work = Work(
            agent=agent,
            path=run.path,
            returns=call.agent.file.returns,
            who=candidate.choice.model_name,
            turn=request.key,
            sheet=kept.digest,
            chosen=candidate.chosen,
            why=candidate.why,
        )
        return Turn(work=work, usage=Usage())

    def take(self, connection: Connection, call: Call) -> Turn:
        """The turn of what a person handed in at the gate that the request names. Safe to call twice.

        Raises `NotFound` if nobody has answered there.
        """
        request = call.request
        if (stored := turns.find(connection, request.key)) is not None:
            commit_riders(connection, request)
            return turn_of(stored)
        row = gates.winner(connection, request.run.trace, request.work)
        made = None if row is None else gates.made_in(row)[0]
        if row is None or made is None:
            raise NotFound(f"nobody has answered at {request.work}; was the ledger restored from an older backup?")
        asked = gates.find(connection, request.run.trace, request.work)[0].work
        # The gate knows whether they were asked because no model could be reached; the call itself does not.
        candidate = Candidate(Choice(model=ANYBODY), request.tried if asked is None else asked.chosen)
        started = replace(self.reservations.read(connection, call, candidate, ""), person=person_of(row))
        reply = ModelReply(text=json.dumps(made, ensure_ascii=False), stop="end", model=row.by, usage=Usage())
        judged = judge(reply, call.agent, finish=request.finish is not None)
        handoffs.link(connection, request.key, "used", [f"{request.run.trace}/{request.work}"])
        return store_turn(connection, self.ledger.files, call, started, reply, judged)


def person_of(row: Row[Any]) -> ByPerson:
    """Who made a decision, and how that is known."""
    return ByPerson(
        name=row.by, gate=row.gate, channel=row.channel or row.via, authenticated=bool(row.authenticated), known=row.known
    )
