"""Children that Temporal ended alone, while they asked a person: nobody is asked for them any more, and their run goes on."""

from pathlib import Path

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest

from activities.runs.upkeep import Upkeep
from ledger import gates
from tests.commands.conftest import Baton, Serve, asking
from tests.scripts import answer, item, plan, says, unsure, write, writer
from tests.stack import Stack, until

NAMES = ("one", "two", "three")
ASK = unsure("it is not said", {"id": "which", "text": "Which?"})
ASKING = (
    says("planner", answer(plan(*(item(name, [f"{name}.md"]) for name in NAMES)))),
    *(writer(name, ASK, write(f"{name}.md", "said\n")) for name in NAMES),
)


async def open_gates(stack: Stack) -> list[str]:
    """Those on record, in no command's eyes."""
    return sorted(view.gate for view in await stack.ledger.read(gates.open_gates))


async def deleted(stack: Stack, workflow_id: str) -> None:
    """With its whole history."""
    execution = WorkflowExecution(workflow_id=workflow_id)
    request = DeleteWorkflowExecutionRequest(namespace=stack.client.namespace, workflow_execution=execution)
    await stack.client.workflow_service.delete_workflow_execution(request)


async def test_nobody_is_asked_for_a_child_that_temporal_ended(baton: Baton, serve: Serve, origin: Path) -> None:
    """One terminated is closed by the next look, one deleted by upkeep; the third is still asked, and its answer counts."""
    async with serve(*ASKING) as running:
        run = (await baton.live(*asking(origin, "--wait-for-gate", "--json"))).json["run"]
        assert (await baton.live("approve", run, "--yes")).code == 0
        one, three, two = there = [f"write.1.{name}.clarify-1" for name in sorted(NAMES)]

        async def all_ask() -> bool | None:
            return await open_gates(running) == there or None

        await until(all_ask, "all three children asked")
        assert (await baton.live("gates", "--json")).json["gates"] != []
        assert await open_gates(running) == there  # a look changes nothing while all of them run
        await running.client.get_workflow_handle(f"{run}.write.1.one").terminate(reason="the flat is on fire")
        late = await baton.live("answer", run, one, "--answer", "which=this", "--yes")
        assert (late.code, f"gate {one} is closed: cancelled" in late.err) == (5, True), late.err
        assert await open_gates(running) == [three, two]
        await deleted(running, f"{run}.write.1.two")
        upkeep = Upkeep(running.ledger, "another", "another")

        async def looked_after() -> bool | None:
            await upkeep.round(running.client)
            return await open_gates(running) == [three] or None

        await until(looked_after, "upkeep closed the gate of the deleted child")
        said = (await baton.live("feed", run)).out
        assert f"closed gate {one}: its child workflow was terminated in Temporal" in said
        assert "the flat is on fire" in said
        assert f"closed gate {two}: its child workflow was deleted in Temporal" in said
        assert (await baton.live("answer", run, three, "--answer", "which=this", "--yes")).code == 0
        waiting = await baton.live("result", run, "--wait-for-gate", "--json")
        assert (waiting.code, waiting.json["gates"]) == (4, ["stuck-1"])
