"""Decisions where the workers were away across a gate's deadline: what Temporal received in time counts, the rest does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from contracts.gates import GateView
from ledger.views.gates import decisions_of
from tests import scripts
from tests.depth import deep, soak
from tests.scripts import a_tester, answer, edit, item, plan, says, unsure, writer
from tests.stack import Stack, git, result_of, sample, stack, until

PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
POLICY = Path(__file__).parents[2] / "policy.toml"

END = "\n["
"""Where the table of a gate is over."""

DEADLINES = (6.0, 20.0, 60.0)
"""Seconds that the gate is open: more where the machine needs longer to stop a worker and to send."""


def _policy(folder: Path, kind: str, seconds: float, more: str = "") -> Path:
    head, _, rest = POLICY.read_text().partition(f"[gates.{kind}]\n")
    path = folder / "policy.toml"
    path.write_text(f'{head}[gates.{kind}]\nwho = ["*"]\ndeadline = "PT{seconds:g}S"\n{more}\n{rest[rest.index(END) :]}')
    return path


@dataclass(frozen=True)
class Away:
    """A run at a gate without a worker, until `back`. `fired` is how many timers had fired when the gate was open."""

    client: Client
    run: WorkflowHandle[Any, Any]
    view: GateView
    folder: Path
    settings: dict[str, Any]
    fired: int

    @property
    def is_over(self) -> bool:
        """True after the deadline."""
        return datetime.now(UTC) > self.view.deadline

    @property
    def asks(self) -> WorkflowHandle[Any, Any]:
        """The workflow that has the gate: the run, or a child of it."""
        return self.client.get_workflow_handle(self.view.workflow_id)

    async def over(self) -> None:
        """Wait for the deadline's timer, which Temporal fires without a worker."""

        async def fired() -> bool | None:
            return True if (await _timers(self.asks))[0] > self.fired else None

        await until(fired, "the deadline's timer has fired")

    async def signal(self, verb: str = "reject", **more: Any) -> datetime:
        """Send a decision as a signal; when Temporal has received it, by its history."""
        said = {"gate": self.view.gate, "by": "maria", "subject": self.view.subject, "note": "n"} | more
        await self.asks.signal(verb, said)
        events = [event async for event in self.asks.fetch_history_events()]
        times = [event.event_time for event in events if event.HasField("workflow_execution_signaled_event_attributes")]
        return times[-1].ToDatetime(tzinfo=UTC)

    @asynccontextmanager
    async def back(self) -> AsyncIterator[Stack]:
        """A worker again, on the same ledger and queue."""
        async with stack(self.client, self.folder / "state", self.folder / "script.yaml", **self.settings) as running:
            yield running


async def _timers(handle: WorkflowHandle[Any, Any]) -> tuple[int, int]:
    """How many timers of a workflow have fired, and how many still run."""
    events = [event async for event in handle.fetch_history_events()]
    started, fired, cancelled = (
        sum(event.HasField(f"timer_{what}_event_attributes") for event in events) for what in ("started", "fired", "canceled")
    )
    return fired, started - fired - cancelled


@dataclass(frozen=True)
class Case:
    """How a run comes to the gate that is about, and what else its policy says of it."""

    kind: str = "plan"
    script: tuple[dict[str, Any], ...] = (PLANNER,)
    more: str = ""


AT_THE_PLAN = Case()


async def _away(client: Client, folder: Path, seconds: float, case: Case) -> Away:
    folder.mkdir()
    script = scripts.save(folder / "script.yaml", *case.script)
    policy = _policy(folder, case.kind, seconds, case.more)
    settings = {"policy": policy, "task_queue": f"away-{folder.name}-{folder.parent.name}"}
    async with stack(client, folder / "state", script, runs_stay=True, **settings) as running:
        run = await running.deliver(sample(folder / "sample"), check="true", branch="late")
        if case.kind != "plan":
            await running.approve(run, "plan")
        view = await running.gate(run, case.kind)

        async def shown() -> bool | None:
            waiting = (await run.query("status"))["waiting_for"]
            return True if waiting and waiting["gate"] == view.gate else None

        async def timed() -> int | None:
            """How many timers have fired, once one runs at the server: a worker that leaves before has nobody to start it."""
            fired, running_now = await _timers(client.get_workflow_handle(view.workflow_id))
            return fired if running_now or datetime.now(UTC) > view.deadline else None

        await until(shown, "the run waits at the gate")
        fired = await until(timed, "the deadline's timer runs")
    return Away(client, run, view, folder, settings, fired)


async def _in_time(client: Client, folder: Path, case: Case, verb: str = "reject", **more: Any) -> tuple[Away, datetime]:
    """A signal that came before the deadline, and a worker that comes back after it."""
    for seconds in DEADLINES:
        away = await _away(client, folder / f"{seconds:g}", seconds, case)
        if not away.is_over and (came := await away.signal(verb, **more)) < away.view.deadline:
            await away.over()
            return away, came
        await away.run.terminate("the machine was too slow")
    raise AssertionError(f"no signal came within {DEADLINES[-1]} s")


async def _over(client: Client, folder: Path, case: Case = AT_THE_PLAN) -> Away:
    """A gate whose deadline came while no worker was there."""
    for seconds in DEADLINES:
        away = await _away(client, folder / f"{seconds:g}", seconds, case)
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
    away, came = await _in_time(client, tmp_path, AT_THE_PLAN)
    async with away.back() as running:
        report = await result_of(away.run)
        decided = await _won(running, away)
    assert report.reason == "the plan was rejected by maria: n"
    assert [(verb, outcome) for verb, outcome, _, _ in decided] == [("reject", "won")]
    assert abs(decided[0][2] - came) < timedelta(milliseconds=1)
    assert came < away.view.deadline


@pytest.mark.parametrize("twice", [True, *soak(False)])
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


FIX = edit("README.md", "# ", "# The ")
CHANGED = Case("change", (says("planner", answer(plan(item("fix", ["README.md"])))), writer("fix", FIX), a_tester()))
WHICH = {"id": "which", "text": "Up or down?"}
ASKED = Case("clarify", (PLANNER, writer("fix", unsure("both are possible", WHICH))))


async def test_an_approval_after_the_deadline_pushes_nothing(client: Client, tmp_path: Path) -> None:
    """Of the change itself, by the very word that would push: the gate expires, and the target has no new branch."""
    away = await _over(client, tmp_path, CHANGED)
    came = await away.signal("approve")
    async with away.back() as running:
        report = await result_of(away.run)
        decided = await _won(running, away)
    assert came > away.view.deadline
    assert (report.state, "change-1 expired" in report.reason) == ("could_not", True), report.reason
    assert [outcome for _, outcome, *_ in decided] == ["won", "refused"]
    assert git(away.folder / "sample" / "origin.git", "branch", "--format=%(refname:short)") == "main"


async def test_a_childs_question_that_is_answered_in_time_is_answered(client: Client, tmp_path: Path) -> None:
    """The answer is in the child's history from before the deadline, and no worker was there at it."""
    away, came = await _in_time(client, tmp_path, ASKED, "answer", answers={"which": "up"})
    async with away.back() as running:
        assert await _answers(running, away) == ["won"]
    assert came < away.view.deadline


@deep(
    "tests/workflows/test_deadlines.py::test_a_signal_after_the_deadline_does_not_count",
    "tests/workflows/test_deadlines.py::test_a_childs_question_that_is_answered_in_time_is_answered",
)
async def test_a_childs_question_that_is_answered_too_late_is_not(client: Client, tmp_path: Path) -> None:
    """The same answer, a moment after the deadline."""
    away = await _over(client, tmp_path, ASKED)
    came = await away.signal("answer", answers={"which": "up"})
    async with away.back() as running:
        assert await _answers(running, away) == ["refused"]
    assert came > away.view.deadline


async def _answers(running: Stack, away: Away) -> list[str]:
    """What became of the answers, once any has been looked at."""

    async def looked_at() -> list[str] | None:
        return [outcome for verb, outcome, *_ in await _won(running, away) if verb == "answer"] or None

    return await until(looked_at, "the answer was looked at")


async def test_after_the_first_deadline_the_next_in_line_is_asked_first(client: Client, tmp_path: Path) -> None:
    """A late decision at a gate that escalates meets the escalated gate: there is another deadline, before which it came."""
    away = await _over(client, tmp_path, Case(more='escalation = ["olga"]\nexpiry = "escalate"'))
    await away.signal()
    async with away.back() as running:
        report = await result_of(away.run)
        story = await running.said(away.run)
    assert "escalated plan-1 to olga" in story
    assert report.reason == "the plan was rejected by maria: n"
