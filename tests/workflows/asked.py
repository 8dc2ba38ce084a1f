"""Starting one agent step in a test, and looking at how it ended."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowHistory

from contracts.handoff import Handoff
from ledger.tables import turn
from tests.stack import Stack
from tests.workflows.asking import NO_REPOSITORY

Run = WorkflowHandle[Any, Handoff[Any]]


@dataclass(frozen=True)
class Asking:
    """A worker whose only workflow is one agent step."""

    stack: Stack
    queue: str

    async def start(self, **more: Any) -> Run:
        """Begin the step."""
        asked = {"repository": NO_REPOSITORY, "instruction": "Fix it", "owner": "olga"} | more
        return await self.stack.client.start_workflow(
            "AskOnce", asked, id=f"ask-{secrets.token_hex(4)}", task_queue=self.queue, result_type=Handoff[Any]
        )

    async def ended(self, run: Run) -> "Ended":
        """How it ended, with all that it left."""
        handoff = await run.result()
        rows = await self.stack.ledger.read(turns_of, handoff.trace)
        return Ended(handoff, await run.fetch_history(), rows)


@dataclass(frozen=True)
class Ended:
    """A finished step: its handoff, its history, and the stored turns in order."""

    handoff: Handoff[Any]
    history: WorkflowHistory
    turns: list[Row[Any]]

    @property
    def summary(self) -> str:
        """What the agent's result says."""
        return str((self.handoff.body or {})["summary"])

    @property
    def problems(self) -> list[str]:
        """What was wrong with each reply, "" where nothing was."""
        return [row.problem for row in self.turns]

    @property
    def finishes(self) -> list[str | None]:
        """For each model call, why it had to be the last."""
        sent = [event.activity_task_scheduled_event_attributes for event in self.history.events]
        return [json.loads(one.input.payloads[0].data).get("finish") for one in sent if one.activity_type.name == "call_model"]

    def activities(self, name: str) -> list[str]:
        """When the activities of this name were scheduled (+) and completed (-), as history has them."""
        scheduled = {
            event.event_id
            for event in self.history.events
            if event.activity_task_scheduled_event_attributes.activity_type.name == name
        }
        told = []
        for event in self.history.events:
            if event.event_id in scheduled:
                told.append("+")
            if event.activity_task_completed_event_attributes.scheduled_event_id in scheduled:
                told.append("-")
        return told

    def local(self, name: str) -> int:
        """How many local activities of this name there were: steps that were taken inside a workflow task."""
        markers = [event.marker_recorded_event_attributes.details for event in self.history.events]
        return sum(json.loads(one["data"].payloads[0].data)["activity_type"] == name for one in markers if "data" in one)

    def attempts(self) -> tuple[int, timedelta]:
        """How often the last model call was tried, and how long after it was asked for its last attempt began."""
        asked: dict[int, datetime] = {}
        tried, waited = 0, timedelta()
        for event in self.history.events:
            if event.activity_task_scheduled_event_attributes.activity_type.name == "call_model":
                asked[event.event_id] = event.event_time.ToDatetime()
            begun = event.activity_task_started_event_attributes
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED and begun.scheduled_event_id in asked:
                tried, waited = begun.attempt, event.event_time.ToDatetime() - asked[begun.scheduled_event_id]
        return tried, waited


def turns_of(connection: Connection, trace: str) -> list[Row[Any]]:
    return list(connection.execute(select(turn).where(turn.c.trace == trace).order_by(turn.c.at)))
