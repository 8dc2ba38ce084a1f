"""Long conversations over the real stack: older tool results give way to references, which the agent can read again."""

from dataclasses import replace
from pathlib import Path

from contracts.conversation import Usage
from contracts.growth import Growth
from ledger import turns
from ledger.db import Ledger
from ledger.growth import CALLS
from tests.ledger.samples import turn
from tests.scripts import answer, call, calls, edit, item, plan, read, says, summary, writer
from tests.stack import sample
from tests.workflows.asked import Asking, Run, turns_of
from tests.workflows.conftest import Ask, Start

DONE = answer(summary("did it"))
TOOLS = ["read_file", "read_artifact", "run_state"]
AGAIN = calls(call("read_artifact", id="@artifact:read_file"))


async def test_a_long_conversation_is_shortened_and_can_be_read_again(asking: Ask, tmp_path: Path) -> None:
    """Above the target the next prompts are shorter, the feed says what was replaced, and the reference gives it back."""
    text = "\n".join(f"line {number} of a long file" for number in range(400))
    origin = str(sample(tmp_path / "sample", {"long.txt": text}))
    look = calls(call("run_state"))
    said_by_it = (read("long.txt"), look, look, AGAIN, DONE)
    async with asking(*said_by_it, agent={"tools": TOOLS, "limits": {"context_target": 2000}}) as made:
        run = await made.start(repository=origin)
        ended = await made.ended(run)
        said = await made.stack.said(run)
    assert ended.handoff.outcome == "done"
    contexts = [row.tokens_in for row in ended.turns]
    assert contexts[2] > 2000 > contexts[3]
    assert contexts[3] < 2000 < contexts[4], "what was read again is there"
    assert (
        "replaced 1 older tool results by references | a call's context was above limits.context_target (2000 tokens)" in said
    )
    assert "read_artifact ran" in said


LOOK = calls(call("run_state"))


def has_done(made: Asking, context: int) -> None:
    """The agent has a past: steps of one call with this context."""
    past(made.stack.ledger, made.stack.parts.catalogue.newest("helper").digest, context)


def past(ledger: Ledger, digest: str, context: int) -> None:
    """Turns of an agent version, one in each step."""
    for number in range(CALLS):
        one = replace(turn(number, trace=f"past-{number}"), agent_digest=digest, usage=Usage(input=context, output=1))
        ledger.tx_now(turns.insert, one)


async def alerts(made: Asking, run: Run) -> list[str]:
    """What somebody should see of a run."""
    return [f"{line.actor}: {line.did}" for line in await made.stack.feed(run) if line.importance == "alert"]


async def test_an_unusual_step_is_an_alert_and_goes_on(asking: Ask) -> None:
    """Beside what is usual for the agent the step is large: the feed has one line for each rule, and nobody is waited for."""
    async with asking(LOOK, LOOK, DONE) as made:
        has_done(made, context=10)
        run = await made.start()
        ended = await made.ended(run)
        assert await alerts(made, run) == [
            "helper@v1 (scripted): is unusually large",
            "helper@v1 (scripted): uses unusually many tokens",
        ]
    assert (ended.handoff.outcome, ended.activities("open_gate")) == ("done", [])


async def test_an_ordinary_step_is_no_alert(asking: Ask) -> None:
    """A step of the usual size says nothing."""
    async with asking(LOOK, LOOK, DONE) as made:
        has_done(made, context=9000)
        run = await made.start()
        await made.ended(run)
        assert await alerts(made, run) == []


HOLD = Growth(context="hold", tokens="alert")


async def test_a_held_step_goes_on_when_a_person_lets_it(asking: Ask) -> None:
    """With `hold` the step waits before its next call, which is not made; approved, it goes on and is not held again."""
    async with asking(LOOK, LOOK, DONE, growth=HOLD) as made:
        has_done(made, context=10)
        run = await made.start()
        view = await made.stack.gate(run, "stuck-1")
        assert len(await made.stack.ledger.read(turns_of, view.trace)) == 1
        assert "more than 3 times the median 10 of this agent version's last calls" in view.facts[0]
        await made.stack.decide(view, "approve")
        ended = await made.ended(run)
    assert (ended.handoff.outcome, len(ended.turns)) == ("done", 3)


async def test_a_held_step_is_asked_for_what_it_has(asking: Ask) -> None:
    """With request_changes the next call is the last: it asks for the final output with what there is."""
    async with asking(LOOK, DONE, growth=HOLD) as made:
        has_done(made, context=10)
        run = await made.start()
        await made.stack.decide(await made.stack.gate(run, "stuck-1"), "request_changes", note="say what you know")
        ended = await made.ended(run)
    assert (ended.handoff.outcome, len(ended.turns)) == ("done", 2)
    assert (ended.finishes[-1] or "").startswith("stopped at stuck-1 (request_changes by maria: say what you know)")


async def test_a_writer_is_held_in_its_own_child(start: Start, tmp_path: Path) -> None:
    """A held step of a child opens its gate there; rejected, what the writer had changed is kept and goes to a person."""
    fix = edit("README.md", "Prices are whole cents.\n", "Prices are whole cents, always.\n")
    planner = says("planner", answer(plan(item("doc", ["README.md"]))))
    async with start(planner, writer("doc", fix, LOOK), growth=HOLD) as stack:
        past(stack.ledger, stack.parts.catalogue.newest("writer").digest, context=10)
        run = await stack.deliver(sample(tmp_path / "sample"))
        await stack.approve(run, "plan-1")
        held = await stack.gate(run, "write.1.doc.stuck-1")
        await stack.decide(held, "reject", note="too dear")
        unsure = await stack.gate(run, "stuck-1")
        assert "doc is unsure: stopped at write.1.doc.stuck-1 (reject by maria: too dear)" in unsure.facts[0]
        assert "1 file changed" in await stack.said(run)
        await stack.decide(unsure, "reject", note="enough")
        assert (await run.result()).state == "could_not"


async def test_a_held_step_that_is_rejected_makes_no_further_call(asking: Ask) -> None:
    """Rejected, the step is unsure with what was decided as its reason, and nothing more is paid."""
    async with asking(LOOK, DONE, growth=HOLD) as made:
        has_done(made, context=10)
        run = await made.start()
        await made.stack.decide(await made.stack.gate(run, "stuck-1"), "reject", note="too dear")
        ended = await made.ended(run)
    assert (ended.handoff.outcome, len(ended.turns)) == ("unsure", 1)
    assert "stopped at stuck-1 (reject by maria: too dear): " in ended.handoff.reason
    assert "a call had" in ended.handoff.reason
