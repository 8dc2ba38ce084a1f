"""The response cache: equal calls of one project are answered once, and everything that determines the answer counts."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, update

from activities.agents.agent import load_agent
from activities.tools.registry import TOOLS
from activities.turns.reply_cache import cache_digest
from contracts.agents import Choice
from contracts.conversation import ModelReply, ModelRequest, ToolSpec, Usage, UserMessage
from contracts.endpoints import CallOptions
from contracts.errors import LedgerUnavailable, Misconfigured
from contracts.handoff import Handoff
from contracts.turns import Turn
from ledger import feed, handoffs, turns
from ledger.db import Ledger, now_us
from ledger.money import spend
from ledger.money.spend import Scope
from ledger.tables import cached_reply
from tests.activities import agentfiles
from tests.activities.turns.calling import Calling, calling
from tests.faults.lost import LostCommits
from tests.scripts import answer, summary
from tests.wire.server import WireServer

DONE = json.dumps(answer(summary())["answer"])
REPLY = ModelReply(text=DONE, stop="end", model="test", usage=Usage(input=100, output=20))
OTHER = REPLY.model_copy(update={"text": json.dumps(answer(summary("another"))["answer"])})
COST = 100 + 20 * 2
DAY: dict[str, Any] = {"cache": "PT24H"}


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def url(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    found: str = request.getfixturevalue(request.param)
    return found


def kept(ledger: Ledger) -> int:
    """How many replies are kept."""
    return ledger.read_now(lambda connection: connection.execute(select(func.count()).select_from(cached_reply)).scalar_one())


async def test_an_equal_call_of_another_run_is_answered_at_no_cost(url: str, tmp_path: Path) -> None:
    """The second run's turn is an ordinary stored turn: judged, handed over, stamped, and neither asked, reserved nor paid."""
    async with WireServer() as server, calling(url, tmp_path, server, **DAY) as world:
        server.play(REPLY)
        first, again = await world.call(world.request("one")), await world.call(world.request("two"))
        one, two = world.turns
        lines = world.ledger.read_now(feed.after, trace="two")
        edges = world.ledger.read_now(handoffs.upstream, two.id)
        scopes = world.money
    assert (len(server.requests), first.cached, again.cached) == (1, False, True)
    assert (first.usd_micros, again.usd_micros, again.usage) == (COST, 0, Usage())
    assert first.answered is not None
    assert again.answered is not None
    assert (again.answered.body, again.answered.cached) == (first.answered.body, True)
    assert (one.cached, two.cached, two.usd_micros, two.tokens_in, two.flagged) == (False, True, 0, 0, False)
    assert Handoff[Any].model_validate_json(two.handoff).producer.cached
    assert f"from the cache at no cost: turn {one.id[:12]} paid for an identical call" in lines[-1].why
    assert (two.id, "derived", one.id) in edges
    assert {scope: money for scope, money in scopes.items() if money != (COST, 0)} == {}
    assert "run:two" not in scopes


async def test_an_agent_that_does_not_opt_in_is_always_asked(sqlite_url: str, tmp_path: Path) -> None:
    """Without the key, and with `cache: false`, nothing is kept and every call is made."""
    for number, said in enumerate(({}, {"cache": False})):
        folder = tmp_path / str(number)
        async with WireServer() as server, calling(sqlite_url, folder, server, **said) as world:
            server.play(REPLY, REPLY)
            await world.call(world.request(f"one-{number}"))
            await world.call(world.request(f"two-{number}"))
            assert (len(server.requests), kept(world.ledger)) == (2, 0)


async def test_another_project_is_never_answered_from_this_ones_cache(sqlite_url: str, tmp_path: Path) -> None:
    """The same call of another project is made and paid for, and has a kept reply of its own."""
    async with WireServer() as server, calling(sqlite_url, tmp_path, server, **DAY) as world:
        server.play(REPLY, OTHER)
        await world.call(world.request("one", project="ours"))
        theirs = await world.call(world.request("two", project="theirs"))
        again = await world.call(world.request("three", project="theirs"))
    assert (len(server.requests), theirs.cached, again.cached) == (2, False, True)
    assert again.answered is not None
    assert again.answered.body == summary("another")


async def test_a_reply_whose_time_is_over_is_asked_for_anew(url: str, tmp_path: Path) -> None:
    """After its lifetime a reply answers nothing; the next one that is kept takes its place, and what is expired goes."""
    async with WireServer() as server, calling(url, tmp_path, server, **DAY) as world:
        server.play(REPLY, OTHER)
        await world.call(world.request("one"))
        world.ledger.tx_now(_expire)
        late = await world.call(world.request("two"))
        after = await world.call(world.request("three"))
        assert (len(server.requests), late.cached, after.cached, kept(world.ledger)) == (2, False, True, 1)
        assert after.answered is not None
        assert after.answered.body == summary("another")


async def test_only_valid_replies_are_kept(sqlite_url: str, tmp_path: Path) -> None:
    """A reply that has to be repaired answers no other call."""
    wrong = REPLY.model_copy(update={"text": "Sure!"})
    async with WireServer() as server, calling(sqlite_url, tmp_path, server, **DAY) as world:
        server.play(wrong, REPLY)
        assert (await world.call(world.request("one"))).problem is not None
        assert (await world.call(world.request("two"))).answered is not None
        assert kept(world.ledger) == 1


async def test_a_kept_reply_that_is_not_valid_any_more_is_asked_for_anew(sqlite_url: str, tmp_path: Path) -> None:
    """A kept reply is judged again; where it does not pass, the call is an ordinary one."""
    async with WireServer() as server, calling(sqlite_url, tmp_path, server, **DAY) as world:
        server.play(REPLY, OTHER)
        await world.call(world.request("one"))
        spoilt = REPLY.model_copy(update={"text": "{"}).model_dump_json()
        world.ledger.tx_now(lambda connection: connection.execute(update(cached_reply).values(reply=spoilt)))
        assert not (await world.call(world.request("two"))).cached
    assert len(server.requests) == 2


async def test_a_call_that_was_answered_and_did_not_hear_of_it_finds_its_turn(url: str, tmp_path: Path) -> None:
    """The worker dies after the commit: the next attempt has the stored turn, also when the reply is no longer kept."""
    async with WireServer() as server, calling(url, tmp_path, server, **DAY) as world:
        server.play(REPLY, OTHER)
        await world.call(world.request("one"))
        again = await _lost_and_asked_again(world)
        assert [row.cached for row in world.turns] == [False, True]
        assert set(world.money.values()) == {(COST, 0)}
    assert (again.cached, again.usd_micros, len(server.requests)) == (True, 0, 1)


async def test_without_the_stored_turn_that_call_would_be_paid(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: an attempt that does not look for its stored turn asks the model."""
    async with WireServer() as server, calling(sqlite_url, tmp_path, server, **DAY) as world:
        server.play(REPLY, OTHER)
        await world.call(world.request("one"))
        looks = iter(range(1))  # of the attempt after the one that is lost, which finds out that there is a turn
        real = turns.find
        monkeypatch.setattr(turns, "find", lambda *of: real(*of) if next(looks, None) is None else None)
        await _lost_and_asked_again(world)
    assert len(server.requests) == 2


async def _lost_and_asked_again(world: Calling) -> Turn:
    """A hit whose commit the caller does not hear of, then the next attempt, when the kept reply is gone."""
    LostCommits(world.ledger, lambda name, number: "after" if (name, number) == ("Reservations.reserve", 0) else "")
    with pytest.raises(LedgerUnavailable):
        await world.call(world.request("two"))
    world.ledger.tx_now(_expire)
    return await world.call(world.request("two"))


async def test_what_an_earlier_attempt_held_is_lost_when_the_cache_answers(sqlite_url: str, tmp_path: Path) -> None:
    """An attempt that died while it asked stays charged in full and is told, and holds nothing once its call is answered."""
    async with WireServer() as server, calling(sqlite_url, tmp_path, server, **DAY) as world:
        held = world.request("two")
        world.ledger.tx_now(spend.reserve, held.key, [Scope("run:two", 1_000_000)], 70, price_version="test", worker="dead")
        server.play(REPLY)
        await world.call(world.request("one"))
        assert (await world.call(held)).cached
        assert world.money["run:two"] == (70, 0)
        told = [line for line in world.ledger.read_now(feed.after, trace="two") if line.actor == "ledger"]
        assert [(line.did, line.importance) for line in told] == [
            ("charged $0.000070 for a call of an agent that was lost with its worker", "alert")
        ]


PROMPT = ModelRequest(
    key="k",
    model="m",
    agent="helper",
    occurrence=1,
    turn=0,
    system="s",
    messages=(UserMessage(text="t"),),
    answer_name="write_summary_v1",
    answer_schema={"type": "object"},
    max_output_tokens=10,
    timeout=timedelta(seconds=9),
)
OF_THE_RUN = ("key", "occurrence", "turn", "timeout")
OTHERWISE: dict[str, Any] = {
    "key": "other",
    "model": "other",
    "agent": "other",
    "occurrence": 2,
    "turn": 1,
    "system": "other",
    "messages": (UserMessage(text="other"),),
    "tools": (ToolSpec(name="t", description="d", parameters={}),),
    "answer_name": "write_summary_v2",
    "answer_schema": {"type": "string"},
    "max_output_tokens": 11,
    "timeout": timedelta(seconds=8),
    "options": CallOptions(effort="low"),
}


def digest(changes: dict[str, Any] | None = None, **more: Any) -> str:
    """The digest of a call that differs in this from the usual one."""
    where = {"project": "p", "agent_digest": "a" * 64, "choice": Choice(model="openai:m")} | more
    return cache_digest(timedelta(days=1), prompt=PROMPT.model_copy(update=changes or {}), **where)


@pytest.mark.parametrize(
    "field", [name for name in ModelRequest.model_fields if name not in {"key", "occurrence", "turn", "timeout"}]
)
def test_whatever_a_request_says_counts(field: str) -> None:
    """A call that differs in any field of the request is another one; a field that is new must be listed here."""
    assert digest({field: OTHERWISE[field]}) != digest()


@pytest.mark.parametrize("field", OF_THE_RUN)
def test_where_in_a_run_a_call_stands_does_not_count(field: str) -> None:
    """The same question elsewhere, later, or with more patience is the same question."""
    assert digest({field: OTHERWISE[field]}) == digest()


@pytest.mark.parametrize(
    "other",
    [{"project": "q"}, {"agent_digest": "b" * 64}, {"choice": Choice(model="anthropic:m")}],
    ids=lambda one: next(iter(one)),
)
def test_project_agent_version_and_model_count(other: dict[str, Any]) -> None:
    """Another project, another agent version or schema, and another provider's model are other calls."""
    assert digest(**other) != digest()


@pytest.mark.parametrize("said", [True, 3600, "a day", "PT0S", "-PT1H", "P400D"])
def test_a_lifetime_that_is_none_is_refused(tmp_path: Path, said: object) -> None:
    """`cache` is a duration of at most a year, or false; all else is refused with its place."""
    with pytest.raises(Misconfigured, match=r"helper/v1\.md: cache"):
        load_agent(agentfiles.write(tmp_path, cache=said), TOOLS)


def _expire(connection: Connection) -> None:
    connection.execute(update(cached_reply).values(expires_at=now_us()))
