"""Long conversations over the real stack: older tool results give way to references, which the agent can read again."""

from pathlib import Path

from tests.scripts import answer, call, calls, read, summary
from tests.stack import sample
from tests.workflows.conftest import Ask

DONE = answer(summary("did it"))
TOOLS = ["read_file", "read_artifact", "run_state"]
AGAIN = calls(call("read_artifact", id="@artifact:read_file"))


async def test_a_long_conversation_is_shortened_and_can_be_read_again(asking: Ask, tmp_path: Path) -> None:
    """Above the target the next prompts are shorter, the feed says what was replaced, and the reference gives it back."""
    text = "\n".join(f"line {number} of a long file" for number in range(400))
    origin = str(sample(tmp_path / "sample", {"long.txt": text}))
    look = calls(call("run_state"))
    turns = (read("long.txt"), look, look, AGAIN, DONE)
    async with asking(*turns, agent={"tools": TOOLS, "limits": {"context_target": 2000}}) as made:
        run = await made.start(repository=origin)
        ended = await made.ended(run)
        said = await made.stack.said(run)
    assert ended.handoff.outcome == "done"
    contexts = [row.tokens_in for row in ended.turns]
    assert contexts[2] > 2000 > contexts[3]
    assert contexts[3] < 2000 < contexts[4], "what was read again is there"
    assert "replaced 1 older tool results by references | a call's context was above the 2000 tokens" in said
    assert "read_artifact ran" in said
