"""The early end: a router sizes a delivery up, what the task does not need is skipped, and the feed says what and why."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.worker import Replayer

import worker
from activities.agents.fallback_functions import FUNCTIONS, Given
from activities.repositories.fetch import Fetch
from config import HOME
from contracts.delivery.sizing import Routing, RoutingTask
from contracts.repositories import Base, PrepareRepository
from converter import DATA_CONVERTER
from ledger import runs
from tests.depth import soak
from tests.scripts import Turn, a_tester, answer, could_not, edit, item, plan, says, summary, unsure, writer
from tests.stack import Stack, git, sample
from tests.workflows.asked import turns_of
from tests.workflows.conftest import Start
from tests.workflows.sending import failed_tasks
from workflow_runner import workflow_runner
from workflows.guard import Guard

FIX = edit(
    "shop/pricing.py", "    return int(cents * (100 - percent) / 100)\n", "    return (cents * (100 - percent) + 50) // 100\n"
)
PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
SOLO = says("solo", FIX, answer(summary("rounded half up")), text='"id": "change"')
WHOLE = (PLANNER, writer("fix", FIX), a_tester())


def router(verdict: str, why: str = "one line in pricing.py") -> dict[str, Any]:
    """What the router says."""
    return says("router", answer({"verdict": verdict, "why": why}))


def replayer() -> Replayer:
    """Replays histories on the code as it is; raises where a command differs."""
    return Replayer(
        workflows=worker.WORKFLOWS,
        data_converter=DATA_CONVERTER,
        interceptors=[Guard()],
        workflow_runner=workflow_runner(sandboxed=True),
    )


async def enough(stack: Stack, run: Any, gate: str) -> None:
    """End a run that has shown what it was started for."""
    await stack.decide(await stack.gate(run, gate), "reject", note="enough")
    await run.result()


async def agents_of(stack: Stack, trace: str) -> set[str]:
    """Whose turns a run has."""
    return {row.agent.partition("@")[0] for row in await stack.ledger.read(turns_of, trace)}


@pytest.mark.parametrize("verdict", ["trivial", *soak("simple")])
async def test_a_small_task_is_made_by_one_agent(start: Start, tmp_path: Path, verdict: str) -> None:
    """No plan is made or asked about; one agent changes, the same checks run, and the same gate approves what is pushed.

    With a blank command the repository's own check is looked for, runs, and is what the verdict is about.
    """
    origin = sample(tmp_path / "sample")
    async with start(router(verdict), SOLO, a_tester()) as stack:
        run = await stack.deliver(origin, branch="quick", effort="auto", check="\t ")
        change = await stack.approve(run, "change-1")
        report = await run.result()
        said, who = await stack.said(run), await agents_of(stack, report.trace)
        child = stack.client.get_workflow_handle(f"{run.id}.write.0.change")
        histories = [await run.fetch_history(), await child.fetch_history()]
    for history in histories:
        await replayer().replay_workflow(history)
    assert (report.state, report.tests.verdict, report.approved_by) == ("done", "passed", ("change-1 by maria",))
    assert [one.command for one in report.tests.runs] == ["pytest -q"]
    assert "+    return (cents * (100 - percent) + 50) // 100" in git(origin, "show", "quick")
    assert f"skipped the planner and the plan gate | the router says {verdict}: one line in pricing.py" in said
    assert f"not planned; made by a single agent: the router says {verdict}: one line in pricing.py" in change.facts
    assert who == {"router", "solo", "tester"}


DOUBTS: list[tuple[str, Turn, str]] = [
    ("full", answer({"verdict": "full", "why": "three modules"}), "the router says full: three modules"),
    ("unsure", unsure("two ways to read it"), "the router is unsure: two ways to read it"),
    ("not sure enough", answer({"verdict": "trivial", "why": "w"}, confidence=400), "the router is unsure: "),
    ("could not", could_not("no tools"), "the router is could_not: no tools"),
    ("no model", {"error": "bad_request"}, "the router says full: no model was available"),
]


async def test_a_router_in_doubt_means_the_whole_pipeline(start: Start, tmp_path: Path) -> None:
    """Where the router says so, and whatever it does not say plainly: nothing is skipped, and nobody is asked about it."""
    origin = sample(tmp_path / "sample")
    routers = [says("router", said, text=f"Task: {case}.") for case, said, _ in DOUBTS]
    async with start(*routers, *WHOLE) as stack:
        for case, _, told in DOUBTS:
            run = await stack.deliver(origin, effort="auto", instruction=f"Task: {case}.")
            await enough(stack, run, "plan-1")
            assert f"skips nothing: the task needs the whole pipeline | {told}" in await stack.said(run), case


async def test_without_any_model_nothing_is_skipped() -> None:
    """What stands in for the router says full, and that nobody looked."""
    said = await FUNCTIONS["whole_pipeline"].make(Given(RoutingTask(instruction="Fix it", repository="r", base="b")))
    assert said == Routing(verdict="full", why="no model was available, so nothing is skipped")


def untested(folder: Path) -> Path:
    """A repository in which no check is found."""
    origin, work = sample(folder, {"notes.txt": "nothing here is tested"}), folder / "work"
    git(work, "rm", "-rq", "tests", "pyproject.toml")
    git(work, "commit", "--quiet", "--message=No tests")
    git(work, "push", "--quiet", str(origin), "main")
    return origin


async def is_planned(stack: Stack, origin: Path, check: str | None) -> None:
    """That a small task goes to the planner, and the plan gate asks for the check that nobody knows."""
    run = await stack.deliver(origin, effort="auto", check=check)
    view = await stack.gate(run, "plan-1")
    assert [question.id for question in view.questions] == ["check"]
    assert "but no check is known, so a person has to name one at the plan gate" in await stack.said(run)
    await enough(stack, run, "plan-1")
    assert await failed_tasks(run) == []


async def test_without_a_check_a_small_task_is_planned(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is known that proves the change, the plan gate asks for it as ever. A blank command is none.

    A worker of before, which still hands an empty command on, stops no run of this release.
    """
    prepare = Fetch._prepare

    def as_before(fetch: Fetch, request: PrepareRepository) -> Base:
        return prepare(fetch, request).model_copy(update={"check": request.check})

    origin = untested(tmp_path / "sample")
    async with start(router("simple"), *WHOLE) as stack:
        for check in (None, "", "  "):
            await is_planned(stack, origin, check)
        monkeypatch.setattr(Fetch, "_prepare", as_before)
        await is_planned(stack, origin, "")


async def test_an_impossible_task_ends_when_a_person_agrees(start: Start, tmp_path: Path) -> None:
    """A person sees the reason; rejected, the run could not, nothing was planned, and the feed says what is left out."""
    origin = sample(tmp_path / "sample")
    async with start(router("impossible", "there is no checkout page")) as stack:
        run = await stack.deliver(origin, effort="auto")
        view = await stack.gate(run, "stuck-1")
        assert view.facts[0] == "the router says impossible: there is no checkout page"
        await stack.decide(view, "reject", note="right")
        report = await run.result()
        said, who = await stack.said(run), await agents_of(stack, report.trace)
    assert (report.state, who) == ("could_not", {"router"})
    assert report.reason == (
        "the router says this cannot be done (reject by maria: right); the router says impossible: there is no checkout page"
    )
    assert "skipped planning, writing and testing | the router says impossible: there is no checkout page" in said
    assert git(origin, "branch", "--list").split() == ["*", "main"]


async def test_a_person_overrules_the_router(start: Start, tmp_path: Path) -> None:
    """With a note the task is planned all the same, and the planner has the note as feedback."""
    origin = sample(tmp_path / "sample")
    second = says("planner", answer(plan(item("fix", ["shop/pricing.py"]), summary="as you say")), text="it is in shop/")
    async with start(router("impossible"), second, writer("fix", FIX), a_tester()) as stack:
        run = await stack.deliver(origin, effort="auto")
        await stack.decide(await stack.gate(run, "stuck-1"), "request_changes", note="it is in shop/")
        assert (await stack.gate(run, "plan-1")).narrative == "as you say"
        assert "maria overrules the router at stuck-1" in await stack.said(run)
        await enough(stack, run, "plan-1")


async def test_one_agent_that_finds_it_needs_a_plan_hands_over(start: Start, tmp_path: Path) -> None:
    """Unsure, a person sends it to the planner with words, and the run goes on as any other."""
    origin = sample(tmp_path / "sample")
    alone = says("solo", unsure("two modules depend on it"))
    async with start(router("simple"), alone, *WHOLE) as stack:
        run = await stack.deliver(origin, effort="auto")
        stuck = await stack.gate(run, "stuck-1")
        assert "change is unsure: two modules depend on it" in stuck.facts[0]
        await stack.decide(stuck, "request_changes", note="plan it")
        await stack.approve(run, "plan-1")
        change = await stack.approve(run, "change-1")
        report = await run.result()
    assert (report.state, report.approved_by) == ("done", ("plan-1 by maria", "change-1 by maria"))
    assert not any("not planned" in fact for fact in change.facts)


async def test_failed_checks_go_back_to_the_one_agent(start: Start, tmp_path: Path) -> None:
    """The same rework as ever: what the checks show goes to whoever made the change."""
    origin = sample(tmp_path / "sample", {"check.sh": "! grep broken value.txt\n", "value.txt": "old\n"})
    first = says("solo", edit("value.txt", "old", "broken"), answer(summary()), text='"id": "change"')
    again = says("solo", edit("value.txt", "broken", "mended"), answer(summary()), text='"id": "rework-1"')
    async with start(router("simple"), first, again, a_tester()) as stack:
        run = await stack.deliver(origin, effort="auto", check="sh check.sh")
        await stack.approve(run, "change-1")
        report = await run.result()
    assert (report.state, report.tests.verdict) == ("done", "passed")


async def test_nobody_is_routed_who_did_not_ask_for_it(start: Start, tmp_path: Path) -> None:
    """Without `effort` a delivery is what it was: no router is pinned or asked."""
    async with start(*WHOLE) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        await enough(stack, run, "plan-1")
        pins = await stack.ledger.read(runs.find_pins, (await run.describe()).run_id)
    assert sorted(pins.agents) == ["planner", "tester", "writer"]


async def test_policy_may_make_auto_the_default(start: Start, tmp_path: Path) -> None:
    """`[defaults] effort` counts for a delivery that names none, and not for one that does."""
    text = (HOME / "policy.toml").read_text()
    policy = tmp_path / "policy.toml"
    policy.write_text(text.replace("[defaults]\n", '[defaults]\neffort = "auto"\n'))
    origin = sample(tmp_path / "sample")
    async with start(router("impossible"), *WHOLE, policy=policy) as stack:
        by_default, by_name = await stack.deliver(origin), await stack.deliver(origin, effort="full")
        assert (await stack.gate(by_default, "stuck-1")).title == "the router says this cannot be done"
        await enough(stack, by_default, "stuck-1")
        await enough(stack, by_name, "plan-1")
