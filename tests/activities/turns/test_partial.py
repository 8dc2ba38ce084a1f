"""The last call of a step that a limit ends: what it offers, and what is kept of what it brings."""

from pathlib import Path

from contracts.conversation import ModelReply, ToolCall, Usage
from ledger import artifacts
from tests.activities.turns.calling import calling
from tests.wire.server import WireServer

USAGE = Usage(input=100, output=20)
HALF = ModelReply(text="I have found two of the three places.", stop="end", model="test", usage=USAGE)
ASKS = ModelReply(
    text="", calls=(ToolCall(call_id="c", name="read_file", arguments={"path": "a"}),), stop="tools", model="test", usage=USAGE
)


async def test_the_last_call_offers_no_tools(sqlite_url: str, tmp_path: Path) -> None:
    """An ordinary call offers the agent's tools; the one that asks for the final output offers none and says why."""
    async with WireServer() as server, calling(sqlite_url, tmp_path, server) as world:
        server.play(ASKS, HALF)
        await world.call(world.request("one"))
        await world.call(world.request("two", finish="it may take 3 turns"))
        ordinary, last = (seen.body for seen in server.requests)
    assert len(ordinary["tools"]) == 1
    assert not last.get("tools")
    assert "This step ends now: it may take 3 turns. Answer now, without tools, with what you have." in str(last["messages"])


async def test_an_attempt_that_was_lost_brings_the_same_partial_result(sqlite_url: str, tmp_path: Path) -> None:
    """Asked again, the stored turn names the same artifact, and nothing is paid; a call that is not the last keeps none."""
    async with WireServer() as server, calling(sqlite_url, tmp_path, server) as world:
        server.play(HALF, HALF)
        last = world.request("one", finish="it may take 3 turns")
        first, again = await world.call(last), await world.call(last)
        ordinary = await world.call(world.request("two"))
        assert first.partial is not None
        kept = world.ledger.read_now(artifacts.get, world.ledger.files, first.partial.artifact)
        seen = world.ledger.read_now(artifacts.seen_in, "one")
    assert (again, len(server.requests), ordinary.partial) == (first, 2, None)
    assert kept.decode() == HALF.text == first.partial.shown
    assert first.partial.artifact in {digest for _, _, digest in seen}
