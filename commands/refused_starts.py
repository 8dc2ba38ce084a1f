"""Starts that failed before anything of them was recorded. A schedule starts the next one at its time, and tells nobody."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from commands.output import safe
from commands.unrecorded import MOST, on_queue, why_of
from contracts.printed import quoted
from contracts.text import amount

if TYPE_CHECKING:
    from temporalio.client import Client

    from ledger.db import Ledger

WITHIN = timedelta(days=1)
"""How long such a start is shown."""

LISTED = 1000
"""Most failed workflows that are looked at."""


@dataclass(frozen=True)
class RefusedStarts:
    """Starts of one schedule, or ("") of one workflow id: how many, the id of the last one, and why it failed."""

    schedule: str
    count: int
    last: str
    why: str

    def lines(self) -> Iterator[str]:
        """Lines for people: what happened, and what to do."""
        who = f" of schedule {safe(self.schedule, 200)}" if self.schedule else ""
        one = "the last, " if self.count > 1 else ""
        yield (
            f"{amount(self.count, 'start')}{who} failed in the last {WITHIN // timedelta(hours=1)} hours, and nothing is on "
            f"record: {one}{safe(self.last, 1000)}: {safe(self.why, 600)}"
        )
        if self.schedule:
            yield f"  {self.mend}"

    @property
    def mend(self) -> str:
        """What to do, as a command or in words."""
        if self.schedule:
            return (
                f"temporal schedule update --schedule-id {quoted(self.schedule)}   (with the whole action, its input corrected)"
            )
        return "start it again with what is wrong corrected"


async def refused_starts(client: "Client", ledger: "Ledger", task_queue: str) -> list[RefusedStarts]:
    """Those on this queue within a day, newest first, all of a schedule as one. Raises `RPCError`."""
    from temporalio.common import SearchAttributeKey

    from contracts.pipelines import PIPELINES
    from ledger.views.runs import known_among

    by = SearchAttributeKey.for_keyword("TemporalScheduledById")
    # Children are their run's concern. A workflow type that nobody has is not left out: a schedule may name one.
    parts = ", ".join(f"'{part}'" for one in PIPELINES for part in one.parts)
    since = f"{datetime.now(UTC) - WITHIN:%Y-%m-%dT%H:%M:%SZ}"
    query = f"ExecutionStatus = 'Failed' AND {on_queue(task_queue)} AND WorkflowType NOT IN ({parts}) AND CloseTime > '{since}'"
    there = [one async for one in client.list_workflows(query, limit=LISTED)]
    known = await ledger.read(known_among, {one.id for one in there})
    found: dict[str, RefusedStarts] = {}
    for one in (one for one in there if one.id not in known):
        schedule = one.typed_search_attributes.get(by, "")
        key = schedule or one.id
        if key in found:
            found[key] = replace(found[key], count=found[key].count + 1)
        elif len(found) < MOST:
            why = await why_of(client.get_workflow_handle(one.id, run_id=one.run_id))
            found[key] = RefusedStarts(schedule, 1, one.id, why)
    return list(found.values())
