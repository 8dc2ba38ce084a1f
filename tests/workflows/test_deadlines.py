"""Decisions where the workers were away across a gate's deadline: what Temporal received in time counts, the rest does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from contracts.gates import GateView
from ledger.views.gates import decisions_of
from tests import scripts
from tests.scripts import answer, item, plan, says
from tests.stack import Stack, result_of, sample, stack, until

PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
POLICY = Path(__file__).parents[2] / "policy.toml"

END = "\n["
"""Where the table of a gate is over."""

DEADLINES = (6.0, 20.0, 60.0)
"""Seconds that the gate is open: more where the machine needs longer to stop a worker and to send."""


def _policy(folder: Path, seconds: float, more: str = "") -> Path:
    head, _, rest = POLICY.read_text().partition("[gates.plan]\n")
    path = folder / "policy.toml"
    path.write_text(f'{head}[gates.plan]\nwho = ["*"]\ndeadline = "PT{seconds:g}S"\n{more}\n{rest[rest.index(END) :]}')
    return path


class Away:
    """A run at its plan gate without a worker, until `back`."""

    def __init__(
        self, client: Client, run: WorkflowHandle[Any, Any], view: GateView, folder: Path, settings: dict[str, Any]
    ) -> None:
        self.client, self.run, self.view = client, run, view
        self._folder, self._settings = folder, settings

    @property
    def is_over(self) -> bool:
        """True after the deadline."""
        return datetime.now(UTC) > self.view.deadline

    async def over(self) -> None:
        """Wait for the deadline's timer, which Temporal fires without a worker."""

        async def fired() -> bool | None:
            events = [event async for event in self.run.fetch_history_events()]
            return True if any(event.HasField("timer_fired_event_attributes") for event in events) else None

        await until(fired, "the deadline's timer has fired")

    async def signal(self, verb: str = "reject") -> datetime:
        """Send a decision as a signal; when Temporal has received it, by its history."""
        await self.run.signal(verb, {"gate": self.view.gate, "by": "maria", "subject": self.view.subject, "note": "n"})
        events = [event async for event in self.run.fetch_history_events()]
        times = [event.event_time for event in events if event.HasField("workflow_execution_signaled_event_attributes")]
        return times[-1].ToDatetime(tzinfo=UTC)

    @asynccontextmanager
    async def back(self) -> AsyncIterator[Stack]:
        """A worker again, on the same ledger and queue."""
        async with stack(self.client, self._folder / "state", self._folder / "script.yaml", **self._settings) as running:
            yield running


async def _away(client: Client, folder: Path, seconds: float, more: str = "") -> Away:
    folder.mkdir()
    script = scripts.save(folder / "script.yaml", PLANNER)
    settings = {"policy": _policy(folder, seconds, more), "task_queue": f"away-{folder.name}-{folder.parent.name}"}
    async with stack(client, folder / "state", script, runs_stay=True, **settings) as running:
        run = await running.deliver(sample(folder / "sample"), check="true")
        view = await running.gate(run, "plan")

        async def shown() -> bool | None:
            return True if (await run.query("status"))["waiting_for"] else None

        await until(shown, "the run waits at the gate")
    return Away(client, run, view, folder, settings)


async def _in_time(client: Client, folder: Path, more: str = "") -> tuple[Away, datetime]:
    """A signal that came before the deadline, and a worker that comes back after it."""
    for seconds in DEADLINES:
        away = await _away(client, folder / f"{seconds:g}", seconds, more)
        if not away.is_over and (came := await away.signal()) < away.view.deadline:
            await away.over()
            return away, came
        await away.run.terminate("the machine was too slow")
    raise AssertionError(f"no signal came within {DEADLINES[-1]} s")


async def _over(client: Client, folder: Path, more: str = "") -> Away:
    """A gate whose deadline came while no worker was there."""
    for seconds in DEADLINES:
        away = await _away(client, folder / f"{seconds:g}", seconds, more)
        if not away.is_over:
            await away.over()
            return away
        await away.run.terminate("the machine was too slow")
    raise AssertionError(f"the worker was not gone within {DEADLINES[-1]} s")


async def _won(running: Stack, away: Away) -> list[tuple[str, str, datetime, str]]:
    found = await running.ledger.read(decisions_of, away.view.trace)
    return [(one.verb, one.outcome, one.at, one.reason) for one in found]


async def test_a_signal_in_time_counts_and_keeps_its_instant(client: Client, tmp_path: Path) -> None:
    """The worker was away across the deadline. The record has when Temporal received it, which is before the deadline."""
    away, came = await _in_time(client, tmp_path)
    async with away.back() as running:
        report = await result_of(away.run)
        decided = await _won(running, away)
    assert report.reason == "the plan was rejected by maria: n"
    assert [(verb, outcome) for verb, outcome, _, _ in decided] == [("reject", "won")]
    assert abs(decided[0][2] - came) < timedelta(milliseconds=1)
    assert came < away.view.deadline


@pytest.mark.parametrize("twice", [False, True])
async def test_a_signal_after_the_deadline_does_not_count(client: Client, tmp_path: Path, twice: bool) -> None:
    """The gate expires as if nobody had said anything; what came too late is on record as refused, with when it came."""
    away = await _over(client, tmp_path)
    came = await away.signal()
    if twice:
        await away.signal()
    async with away.back() as running:
        report = await result_of(away.run)
        decided = await _won(running, away)
    assert came > away.view.deadline
    assert report.reason == "the plan was not approved: plan-1 expired"
    assert {outcome for _, outcome, _, _ in decided} == {"refused"}
    assert any(f"this signal came at {came:%H:%M:%S} UTC" in reason for *_, reason in decided)


async def test_an_update_after_the_deadline_does_not_count(client: Client, tmp_path: Path) -> None:
    """Its sender is told that the gate has closed."""
    away = await _over(client, tmp_path)
    decision = {"gate": away.view.gate, "by": "maria", "subject": away.view.subject, "note": "n"}
    sent = asyncio.create_task(away.run.execute_update("reject", decision))
    async with away.back() as running:
        report = await result_of(away.run)
        with pytest.raises(Exception) as refused:
            await sent
        decided = await _won(running, away)
    assert report.reason == "the plan was not approved: plan-1 expired"
    assert "is closed: expired" in str(refused.value.__cause__)
    assert {outcome for _, outcome, _, _ in decided} <= {"refused"}


async def test_after_the_first_deadline_the_next_in_line_is_asked_first(client: Client, tmp_path: Path) -> None:
    """A late decision at a gate that escalates meets the escalated gate: there is another deadline, before which it came."""
    away = await _over(client, tmp_path, 'escalation = ["olga"]\nexpiry = "escalate"')
    await away.signal()
    async with away.back() as running:
        report = await result_of(away.run)
        story = await running.said(away.run)
    assert "escalated plan-1 to olga" in story
    assert report.reason == "the plan was rejected by maria: n"
