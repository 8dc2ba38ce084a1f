"""Functions that stand in for an agent when no model can be asked. Deterministic, listed by hand, and honest about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection
from temporalio import activity

from activities.running.commit import commit_riders
from contracts.away import FallBack
from contracts.base import Contract, canonical, sha256
from contracts.delivery.sizing import Routing, RoutingTask
from contracts.delivery.testing import TestNotes, TestTask
from contracts.errors import Misconfigured
from contracts.handoff import Handoff, Producer
from contracts.ids import handoff_id
from contracts.runs import Note
from ledger import artifacts, handoffs
from ledger.db import Ledger


@dataclass(frozen=True)
class Function:
    """What a function stands in with: the contract that it takes, the one that it returns, and itself."""

    takes: type[Contract]
    returns: type[Contract]
    make: Callable[[Any], Contract]


def _checks_alone(task: TestTask) -> TestNotes:
    check = f"`{task.check}` runs as always" if task.check else "no check is known"
    return TestNotes(
        summary=f"No model could be asked, so nobody tried to break this change and no test was added; {check}.", tried=()
    )


def _whole_pipeline(task: RoutingTask) -> Routing:
    del task
    return Routing(verdict="full", why="no model could be asked, so nothing is skipped")


FUNCTIONS: Mapping[str, Function] = {
    "checks_alone": Function(TestTask, TestNotes, _checks_alone),
    "whole_pipeline": Function(RoutingTask, Routing, _whole_pipeline),
}
"""Every function that an agent file may name as `fallback: function:NAME`."""


class Fallbacks:
    """The activity `fall_back`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn
    async def fall_back(self, request: FallBack) -> Handoff[Any]:
        """What the function makes of the task, as a handoff that says so. Called again it gives back an equal one."""
        return await self._ledger.tx(self._fall_back, request)

    def _fall_back(self, connection: Connection, request: FallBack) -> Handoff[Any]:
        function = FUNCTIONS.get(request.function)
        if function is None:
            raise Misconfigured(
                f"{request.agent}, as its run pinned it, is stood in for by the function {request.function!r}, "
                "which this release does not have; finish the run with a worker of the release that it began with, or cancel it"
            )
        body = function.make(function.takes.read(request.task)).model_dump(mode="json")
        task = artifacts.put(connection, self._ledger.files, request.task.encode(), "application/json")
        digest = sha256(canonical(body))
        given = [handoffs.get(connection, one) for one in request.inputs]
        handoff = Handoff[Any](
            id=handoff_id(request.run.trace, request.run.path, digest),
            contract_name=function.returns.contract,
            outcome="done",
            body=body,
            producer=Producer(agent=request.function, prompt=task.digest),
            inputs=(*request.inputs, task.digest),
            taint=tuple(sorted({name for one in given for name in one.taint})),
            trace=request.run.trace,
            path=request.run.path,
            degraded=f"{request.function} stands in for {request.agent}: {request.why}",
        )
        handoffs.put(connection, handoff, digest, canonical(handoff.model_dump(mode="json")))
        commit_riders(connection, request, [_line(request, handoff)])
        return handoff


def _line(request: FallBack, handoff: Handoff[Any]) -> Note:
    return Note(
        key=f"fallback:{handoff.id}",
        at=datetime.now(UTC),
        stage=request.run.path,
        actor=request.function,
        did=f"answered in place of {request.agent}",
        why=request.why,
        next="the coordinator goes on with it",
        importance="detail",
        outputs=(handoff.id,),
    )
