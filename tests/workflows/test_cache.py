"""The response cache over the real stack: two runs, one paid answer, and a history that replays."""

from pathlib import Path

from temporalio.worker import Replayer

from activities.providers.scripted import Scripted
from converter import DATA_CONVERTER
from tests.scripts import answer, call, calls, item, plan, read, says, summary
from tests.stack import sample
from tests.workflows.asked import turns_of
from tests.workflows.asking import AskOnce
from tests.workflows.conftest import Ask, Start
from workflow_runner import workflow_runner
from workflows.guard import Guard

DONE = answer(summary("did it"))


async def test_a_second_run_is_answered_from_the_cache_and_replays(asking: Ask) -> None:
    """Both runs end alike; the second asks no model and pays nothing, its feed says so, and its history replays."""
    async with asking(DONE, agent={"cache": "PT24H"}) as made:
        first = await made.ended(await made.start())
        asked = _asked(made.stack.parts.providers["scripted"])
        run = await made.start()
        second = await made.ended(run)
        said = await made.stack.said(run)
    assert (first.handoff.body, first.handoff.producer.cached) == (second.handoff.body, False)
    assert second.handoff.producer.cached
    assert [(row.cached, row.usd_micros, row.tokens_in) for row in second.turns] == [(True, 0, 0)]
    assert asked == []
    assert "from the cache at no cost" in said
    replayer = Replayer(
        workflows=[AskOnce],
        data_converter=DATA_CONVERTER,
        interceptors=[Guard()],
        workflow_runner=workflow_runner(sandboxed=True),
    )
    await replayer.replay_workflow(second.history)


async def test_what_depends_on_the_run_is_asked_anew(asking: Ask) -> None:
    """A conversation is answered from the cache as far as it is the same: a tool that shows another run ends that."""
    async with asking(calls(call("run_state")), DONE, agent={"cache": "PT24H"}) as made:
        await made.ended(await made.start())
        second = await made.ended(await made.start())
    assert [row.cached for row in second.turns] == [True, False]
    assert second.handoff.outcome == "done"


async def test_the_same_task_at_the_same_commit_is_sized_up_once(start: Start, tmp_path: Path) -> None:
    """The shipped router is asked by the first run and answers the second for nothing; who plans is asked each time."""
    sizing = says("router", read("shop/pricing.py"), answer({"verdict": "full", "why": "three modules"}))
    planner = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
    origin = sample(tmp_path / "sample")
    cached: list[list[tuple[str, bool]]] = []
    async with start(sizing, planner) as stack:
        for _ in range(2):
            run = await stack.deliver(origin, effort="auto")
            view = await stack.gate(run, "plan-1")
            rows = await stack.ledger.read(turns_of, view.trace)
            cached.append([(row.agent.partition("@")[0], bool(row.cached)) for row in rows])
            await stack.decide(view, "reject", note="enough")
            assert (await run.result()).state == "could_not"
    assert cached == [
        [("router", False), ("router", False), ("planner", False)],
        [("router", True), ("router", True), ("planner", False)],
    ]


def _asked(provider: object) -> list[str]:
    """What the provider is asked from now on."""
    assert isinstance(provider, Scripted)
    asked: list[str] = []
    real = provider.complete

    async def complete(request):  # type: ignore[no-untyped-def]
        asked.append(request.key)
        return await real(request)

    provider.complete = complete  # type: ignore[method-assign]
    return asked
