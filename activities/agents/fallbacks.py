"""A function's answer in place of an agent for which no model is available: a handoff marked as such."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from temporalio import activity

from activities.agents import lines
from activities.agents.fallback_functions import FUNCTIONS, Function, Given
from activities.repositories.shared import guarded
from activities.running.commit import commit_riders
from activities.running.heartbeat import beating
from activities.scanning.scan import Scans
from contracts.away import FallBack
from contracts.base import Contract, canonical, sha256
from contracts.errors import Misconfigured
from contracts.handoff import Handoff, Producer
from contracts.ids import handoff_id
from contracts.outside import as_taint, sources_in
from contracts.people import stored_answers
from ledger import artifacts, handoffs
from ledger.db import Ledger


class Fallbacks:
    """The activity `fall_back`."""

    def __init__(self, ledger: Ledger, scans: Scans | None = None) -> None:
        """`scans` is what functions that read files do it with."""
        self._ledger = ledger
        self._scans = scans

    @activity.defn
    async def fall_back(self, request: FallBack) -> Handoff[Any]:
        """The function's result for the task, as a handoff marked as degraded. Called again it returns an equal one."""
        function = FUNCTIONS.get(request.function)
        if function is None:
            raise Misconfigured(
                f"the run pinned the function {request.function!r} as fallback of {request.agent}, and this release does not "
                "have it; finish the run with a worker of the release that it began with, or cancel it"
            )
        async with beating():
            inputs = await self._ledger.read(_all, request.inputs)
            given = Given(function.takes.read(request.task), request.answers, inputs, request.workspace, self._scans)
            # Outside the transaction: reading files takes seconds, and the ledger has one writer.
            made = await guarded(function.make(given))
            return await self._ledger.tx(self._keep, request, function, made, given)

    def _keep(
        self, connection: Connection, request: FallBack, function: Function, made: Contract, given: Given
    ) -> Handoff[Any]:
        body = made.model_dump(mode="json")
        task = artifacts.put(connection, self._ledger.files, request.task.encode(), "application/json")
        said = [self._keep_answers(connection, request)] if request.answers else []
        digest = sha256(canonical(body))
        handoff = Handoff[Any](
            id=handoff_id(request.run.trace, request.run.path, digest),
            contract_name=function.returns.contract,
            outcome="done",
            body=body,
            producer=Producer(agent=request.function, prompt=task.digest),
            inputs=(*request.inputs, task.digest, *said),
            taint=_taint(request, given),
            trace=request.run.trace,
            path=request.run.path,
            degraded=f"{request.function} stands in for {request.agent}: {request.why}",
        )
        handoffs.put(connection, handoff, digest, canonical(handoff.model_dump(mode="json")))
        commit_riders(connection, request, [lines.stood_in(request, handoff)])
        return handoff

    def _keep_answers(self, connection: Connection, request: FallBack) -> str:
        kept = artifacts.put(connection, self._ledger.files, stored_answers(request.answers), "application/json")
        artifacts.note_seen(connection, request.run.trace, request.run.path, kept.digest, "answers", untrusted=False)
        return kept.digest


def _all(connection: Connection, identities: Sequence[str]) -> list[Handoff[Any]]:
    return [handoffs.get(connection, one) for one in identities]


def _taint(request: FallBack, given: Given) -> tuple[str, ...]:
    """That of its task and inputs is passed on: without a model they are no more trusted. Nor are the files it read."""
    read = () if request.workspace is None else ("tool:read_file",)
    return as_taint((*sources_in(given.task), *(name for one in given.inputs for name in one.taint), *read))
