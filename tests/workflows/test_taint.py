"""What was made from untrusted sources says so, and so does all that is made from it."""

from pathlib import Path
from typing import Any

from contracts.handoff import Handoff
from ledger import handoffs
from tests.scripts import answer, call, calls, item, plan, read, says, summary, write, writer
from tests.stack import Stack, sample
from tests.workflows.conftest import Ask, Start


async def test_what_an_agent_read_taints_what_it_made(asking: Ask, tmp_path: Path) -> None:
    """Files of the repository are somebody else's words; the run's own record is not."""
    reads = [calls(call("run_state")), read("README.md"), answer(summary())]
    origin = str(sample(tmp_path / "sample"))
    async with asking(*reads, agent={"tools": ["run_state", "read_file"]}) as made:
        ended = await made.ended(await made.start(repository=origin))
    assert ended.handoff.taint == ("repo", "tool:read_file")


async def test_who_read_nothing_of_others_is_not_tainted(asking: Ask) -> None:
    """The mark means something: without such a source there is none."""
    async with asking(calls(call("run_state")), answer(summary())) as made:
        ended = await made.ended(await made.start())
    assert ended.handoff.taint == ()


async def _made(stack: Stack, trace: str) -> dict[str, Handoff[Any]]:
    """All handoffs of a run that agents made, by their agent."""
    rows = await stack.ledger.read(handoffs.of_trace, trace)
    found = [await stack.ledger.read(handoffs.get, row.id) for row in rows]
    return {one.producer.agent: one for one in found}


async def test_taint_flows_on_to_who_reads_nothing(start: Start, tmp_path: Path) -> None:
    """The writer goes by a plan that was made from a file of the repository, and opens none itself."""
    planner = says("planner", read("README.md"), answer(plan(item("new", ["new.md"]))))
    async with start(planner, writer("new", write("new.md", "x\n")), check=None) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"), check="true")
        view = await stack.approve(run, "plan")
        await stack.next_gate(run)
        made = await _made(stack, view.trace)
        await run.cancel()
    assert made["planner"].taint == ("repo", "tool:read_file")
    assert set(made["writer"].taint) >= set(made["planner"].taint)
