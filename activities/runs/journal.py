"""The record of a run: its start with what it pins, feed lines that no other activity commits, and its end."""

import json

from sqlalchemy import Connection
from temporalio import activity
from temporalio.service import RPCError

from activities.running.commit import commit_riders
from activities.running.failpoints import reach
from activities.running.heartbeat import committed
from activities.runs import lines
from activities.runs.admission import Admission, for_history
from activities.runs.gone import namespace_id
from contracts.base import canonical, sha256
from contracts.journal import BeginRun, Finish, Record, Totals
from contracts.pins import Began
from contracts.runs import RunRef
from ledger import actions, artifacts, duplicates, feed, gates, outside, relay, runs
from ledger.db import Ledger
from ledger.money import ceilings, spend


class Journal:
    """The activities `begin_run`, `record` and `finish_run`."""

    def __init__(self, ledger: Ledger, admission: Admission) -> None:
        self._ledger = ledger
        self._admission = admission
        self._here = ""

    @activity.defn
    async def begin_run(self, request: BeginRun) -> Began:
        """Insert the run's row and pin its agents and policy. Called again it returns the same pins.

        If its request key is taken, `duplicate_of` names the run that has it. Raises a non-retryable `ApplicationError` if
        nobody owns the run, no model is configured, or policy lacks a gate: the run then fails at once with that text.
        """
        began = await self._admission.pins(request)
        return await committed(self._ledger.tx(self._begin, request, began, await self._namespace()))

    async def _namespace(self) -> str:
        """The id of the namespace that this worker serves; asked once, and "" where it cannot be asked."""
        if not self._here and activity.in_activity():
            try:
                self._here = await namespace_id(activity.client())
            except (RPCError, RuntimeError) as error:
                # The run must not wait for this: upkeep records it as soon as the server tells.
                activity.logger.warning("the namespace's id is not known: %s", error)
        return self._here

    def _begin(self, connection: Connection, request: BeginRun, began: Began, namespace: str) -> Began:
        began = self._admission.begin(connection, request, began, namespace)
        if began.duplicate_of is None:
            runs.set_out(connection, request.run.trace, request.next)
            self._keep_outside(connection, request)
            commit_riders(connection, request, [lines.admitted(request, began)])
        else:
            feed.append(connection, request.run, [lines.duplicate(request, began.duplicate_of)])
            self._keep_duplicate(connection, request)
        return for_history(began)

    def _keep_outside(self, connection: Connection, request: BeginRun) -> None:
        """Store the texts of the input that are from outside, under their sources."""
        for text in outside.leaves(request.input) if request.outside else ():
            sources = request.outside.get(sha256(text.encode()))
            if sources:
                kept = artifacts.put(connection, self._ledger.files, text.encode())
                at = (request.run.trace, request.run.path, kept.digest, outside.OF_INPUT)
                artifacts.note_seen(connection, *at, untrusted=True, sources=(sources,))

    def _keep_duplicate(self, connection: Connection, request: BeginRun) -> None:
        """Keep what a run was asked for that is not begun, with the run that has its request key: it may be another request."""
        first = runs.by_request(connection, request.run.project, request.request_key or "")
        assert first is not None, "it holds the key"
        kept = artifacts.put(connection, self._ledger.files, canonical(request.input), "application/json")
        holder = RunRef(trace=first.trace, workflow_id=first.workflow_id, project=first.project)
        duplicates.record(connection, holder, request.run, request.pipeline, kept.digest)

    @activity.defn
    async def record(self, request: Record) -> None:
        """Commit waiting feed lines, refusals and the run row's change. Safe to call twice: lines and refusals have keys."""
        await self._ledger.tx(_record, request)
        reach("journal.before_completion")

    @activity.defn
    async def finish_run(self, request: Finish) -> Totals:
        """Store the final report, move the run to its final state, and return what it cost. Safe to call twice."""
        totals = await self._ledger.tx(_finish, request)
        reach("journal.before_completion")
        return totals


def _record(connection: Connection, request: Record, result: str | None = None) -> None:
    for refusal in request.refusals:
        gates.refuse(connection, request.run.trace, refusal)
    told = [lines.decision_refused(refusal) for refusal in request.refusals]
    commit_riders(connection, request, told, result=result)


def _finish(connection: Connection, request: Finish) -> Totals:
    # Killed attempts may have left money held, and gates and trips open: nobody else will close them.
    spend.close_left_over(connection, request.run.trace)
    gates.close_left_over(connection, request.run.trace)
    ceilings.close_left_over(connection, request.run.trace)
    used = runs.totals(connection, request.run.trace)
    if request.change is not None and request.change.state == "cancelled":
        actions.withdraw(connection, request.run.trace, "the run was cancelled before it began")
    left = relay.outcomes(connection, request.run.trace)
    totals = Totals(calls=used["calls"], tokens=used["tokens"], usd_micros=used["usd_micros"], handed_over=left)
    # The workflow knows only its own calls; the ledger also has those of its children, and what the relay has done.
    known = totals.model_dump(mode="json", include={"usd_micros", "tokens", "handed_over"})
    _record(connection, request, json.dumps(json.loads(request.report) | known, ensure_ascii=False))
    return totals
