"""What a reply is charged that becomes no turn: what is known of it, and never less than it can have cost."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from contracts.turns import CallModel
from ledger.tables import reservation
from tests.activities.turns.calling import Calling, calling
from tests.children import PATIENCE
from tests.wire.server import Play, WireServer
from tests.wire.streams import started, streamed
from tests.wire.vendors import TEXT, completion, message

ROUTES = '[classes]\nworker = [{ model = "own:test", price = { input = 1_000_000, output = 2_000_000 } }]\n'
OUTPUT = 8_000
"""Most tokens of the agent's output, which costs two micro-dollars a token here."""

FULL = streamed("messages", message([{"type": "text", "text": TEXT}]))
WRITTEN = FULL[: FULL.index(b"event: message_delta")]
COUNTED = FULL[: FULL.index(b"event: message_stop")].replace(b'"stop_reason": "end_turn"', b'"stop_reason": null')


def table(server: WireServer, **more: Any) -> dict[str, Any]:
    """Messages, streamed; silence is noticed soon."""
    return {"speaks": "messages", "base_url": server.url, "capabilities": {"stream": True}, "idle_timeout": "PT0.5S"} | more


def charges(world: Calling) -> list[tuple[str, int, int]]:
    """State, amount held and charge of each reservation."""
    query = reservation.select().order_by(reservation.c.at)
    rows = world.ledger.read_now(lambda connection: connection.execute(query).all())
    return [(row.state, row.amount, row.settled) for row in rows]


async def cancelled(world: Calling, request: CallModel, shown: str) -> list[Any]:
    """The call's heartbeats; it is cancelled by Temporal as soon as one of them shows this."""
    environment, beats, seen = ActivityEnvironment(), [], asyncio.Event()

    def beat(*details: Any) -> None:
        beats.extend(details)
        if any(one.get(shown) for one in details):
            seen.set()

    environment.on_heartbeat = beat
    call = asyncio.create_task(environment.run(world.call_model, request))
    async with asyncio.timeout(PATIENCE):
        await seen.wait()
    environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    return beats


LOST = [
    ("its input is counted", WRITTEN, 1200 + 2 * OUTPUT),
    ("and a part of its output", COUNTED, 1200 + 2 * OUTPUT),
    ("a gateway counts none", started("messages", TEXT).replace(b"1200", b"1"), None),
    ("nothing is counted", started("messages", TEXT).replace(b'"input_tokens": 1200, ', b""), None),
]


@pytest.mark.parametrize(("sent", "cost"), [case[1:] for case in LOST], ids=[case[0] for case in LOST])
@pytest.mark.parametrize("how", ["cut", "silent", "cancelled"])
async def test_a_stream_that_is_lost_is_charged_by_what_it_has_counted(
    sqlite_url: str, tmp_path: Path, sent: bytes, cost: int | None, how: str
) -> None:
    """All that may be written counts as output until it is counted, and everything that was held where nothing is believed."""
    idle = "PT0.5S" if how == "silent" else "PT1M"
    server = WireServer()
    async with server, calling(sqlite_url, tmp_path, server, ROUTES, own=table(server, idle_timeout=idle)) as world:
        server.play(Play(pieces=[sent, *([] if how == "cut" else [asyncio.Event()])], cut=how == "cut"))
        if how == "cancelled":
            await cancelled(world, world.request("one"), "characters")
        else:
            with pytest.raises(ApplicationError):
                await world.call(world.request("one"))
        ((state, amount, charged),) = charges(world)
    assert (state, charged) == ("lost", amount if cost is None else cost)
    assert charged <= amount


async def test_a_cancelled_stream_that_was_counted_is_charged_that(sqlite_url: str, tmp_path: Path) -> None:
    """Its usage is there, and only its end is not."""
    async with WireServer() as server:
        own = table(server, idle_timeout="PT1M")
        async with calling(sqlite_url, tmp_path, server, ROUTES, own=own) as world:
            server.play(Play(pieces=[FULL[: FULL.index(b"event: message_stop")], asyncio.Event()]))
            await cancelled(world, world.request("one"), "characters")
            ((state, _, charged),) = charges(world)
    assert (state, charged) == ("lost", 1200 + 2 * 90)


async def test_a_call_that_is_cancelled_before_its_turn_costs_nothing(sqlite_url: str, tmp_path: Path) -> None:
    """It waits for another one to end, and was never made."""
    async with WireServer() as server:
        own = table(server, concurrency=1, idle_timeout="PT1M")
        async with calling(sqlite_url, tmp_path, server, ROUTES, own=own) as world:
            server.play(Play(silent=True))
            first = asyncio.create_task(world.call(world.request("one")))
            await server.request(0)
            beats = await cancelled(world, world.request("two"), "waits_for")
            states = sorted(one[0] for one in charges(world))
            first.cancel()
            await asyncio.wait([first])
    assert states == ["held", "released"]
    assert len(server.requests) == 1
    assert beats[-1]["waits_for"] == "its turn at own (concurrency = 1)"


async def test_a_reply_that_the_ledger_refuses_is_charged_what_it_costs(sqlite_url: str, tmp_path: Path) -> None:
    """It is paid, and its usage is known: no more than that is taken from the ceilings."""
    async with WireServer() as server, calling(sqlite_url, tmp_path, server) as world:
        refuse = "CREATE TRIGGER no_turn BEFORE INSERT ON turn BEGIN SELECT RAISE(ABORT, 'no room'); END"
        world.ledger.tx_now(lambda connection: connection.execute(text(refuse)))
        server.play(Play(completion({"content": json.dumps({"outcome": "done"})}, model="test")))
        with pytest.raises(ApplicationError) as caught:
            await world.call(world.request("one"))
        ((state, amount, charged),) = charges(world)
    assert (caught.value.type, state, charged) == ("NotStored", "lost", 1200 + 2 * 90)
    assert charged < amount
