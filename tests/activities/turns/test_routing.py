"""A call over its route: limits of a choice, limits per minute, failing agents, and what a run is told when nobody is left."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.agents.catalogue import load_catalogue
from activities.gates.policy import load_policy
from activities.providers.openai import OpenAI
from activities.runs.admission import Admission
from activities.tools.registry import TOOLS
from activities.turns import reservation as reserving
from activities.turns.models import Models
from contracts.away import ModelsAway
from contracts.base import sha256
from contracts.breakers import Breakers
from contracts.conversation import ModelReply, ToolCall, Usage
from contracts.ids import turn_key
from contracts.money import Ceilings
from contracts.runs import RunRef
from contracts.turns import CallModel, Turn
from ledger import artifacts, breakers, turns
from ledger.db import Ledger, from_us, now_us
from ledger.money import rates
from ledger.tables import feed, rate, reservation, turn
from tests.activities import agentfiles
from tests.ledger import samples
from tests.scripts import answer, could_not, summary
from tests.wire.refusals import anthropic, error, openrouter
from tests.wire.server import Play, WireServer

GOOD, BAD = json.dumps(answer(summary())["answer"]), json.dumps(could_not("it cannot be done")["answer"])
TOOLS_OF_HELPER = ("read_file", "read_artifact")
SETTINGS = Breakers(
    failures=2,
    agent_failures=2,
    cooldown=timedelta(days=1, seconds=30),
    longest=timedelta(days=2),
    patience=timedelta(minutes=7),
    rate_patience=timedelta(minutes=9),
)


def reply(text: str = GOOD) -> ModelReply:
    """What the model says."""
    return ModelReply(text=text, stop="end", model="test", usage=Usage(input=100, output=20))


@dataclass(frozen=True)
class Route:
    """The activity with one route, its provider on loopback, and calls of steps that follow each other."""

    models: Models
    make: Callable[[int], CallModel]
    server: WireServer
    ledger: Ledger

    async def call(self, step: int = 0, *texts: str) -> Turn:
        """The first turn of a step, answered with these texts."""
        self.server.play(*(reply(text) for text in texts or (GOOD,)))
        return await ActivityEnvironment().run(self.models.call_model, self.make(step))

    async def refused(self, step: int = 0) -> ModelsAway:
        """What the call is told when nobody can be asked."""
        with pytest.raises(ApplicationError) as caught:
            await self.call(step)
        assert (caught.value.type, caught.value.non_retryable) == ("ModelsAway", True)
        self.server.queue.clear()
        gone: ModelsAway = caught.value.details[0]
        return gone

    def asked(self) -> list[str]:
        """Which models were asked, in order."""
        return [seen.model for seen in self.server.requests]


Routed = Callable[[str], AbstractAsyncContextManager[Route]]


@pytest.fixture
def routed(sqlite_url: str, tmp_path: Path) -> Routed:
    """Start with the choices of a route, as routes.toml has them."""
    return routes(sqlite_url, tmp_path, SETTINGS)


@pytest.fixture
def unbroken(sqlite_url: str, tmp_path: Path) -> Routed:
    """The same with breakers that no number of failures opens."""
    return routes(sqlite_url, tmp_path, SETTINGS.model_copy(update={"failures": 1000}))


@pytest.fixture
def forgetful(sqlite_url: str, tmp_path: Path) -> Routed:
    """The same with an agent that cannot read what was left out of its prompt."""
    return routes(sqlite_url, tmp_path, SETTINGS, tools=["read_file"])


def routes(sqlite_url: str, tmp_path: Path, settings: Breakers, tools: Sequence[str] = TOOLS_OF_HELPER) -> Routed:
    """Start with the choices of a route, as routes.toml has them."""

    @asynccontextmanager
    async def started(choices: str) -> AsyncIterator[Route]:
        agentfiles.write(tmp_path / "agents", tools=list(tools))
        (tmp_path / "agents" / "routes.toml").write_text(f"[classes]\nworker = [{choices}]\n")
        catalogue, policy = load_catalogue(tmp_path / "agents", TOOLS), load_policy(Path("policy.toml"))
        agent, task = catalogue.newest("helper"), agentfiles.TASK.stored()
        pin = agent.pin(catalogue.routes.classes["worker"])

        def make(step: int) -> CallModel:
            run = RunRef(trace="trace-1", workflow_id="ask-1", path=f"ask/{step}")
            key = turn_key(run.trace, run.path, "", agent.digest, sha256(task))
            known: dict[str, Any] = {"key": key, "agent": pin.ref, "choices": pin.choices, "task_digest": sha256(task)}
            return CallModel(run=run, task=task.decode(), **known)

        ledger = Ledger(sqlite_url, tmp_path / "artifacts")
        async with WireServer() as server:
            provider = OpenAI("none", server.openai_url)
            admission = Admission(ledger, catalogue, policy, Ceilings(), lambda _: pin.choices)
            models = Models(ledger, catalogue, {"openai": provider}, Ceilings(), admission, "worker-1", None, settings)
            yield Route(models, make, server, ledger)
            await provider.close()
        ledger.close()

    return started


SMALL = '{ model = "openai:small", free = true, context = 10 }'
LARGE = '{ model = "openai:large", free = true }'


async def test_a_call_larger_than_a_choice_takes_goes_to_the_next(routed: Routed) -> None:
    """The small model is not asked and nothing is held for it; the next choice answers, as an ordinary first one."""
    async with routed(f"{SMALL}, {LARGE}") as route:
        await route.call()
        assert route.asked() == ["large"]
        assert route.ledger.read_now(lambda connection: connection.execute(select(turn.c.chosen)).scalar()) == "first"
        assert route.ledger.read_now(lambda connection: connection.execute(select(func.count(reservation.c.id))).scalar()) == 1


async def test_a_call_too_large_for_every_choice_says_so(routed: Routed) -> None:
    """No waiting helps: it fails for good, with the choice and its limit."""
    async with routed(SMALL) as route:
        with pytest.raises(ApplicationError, match="openai:small takes at most 10 input tokens here") as caught:
            await route.call()
    assert (caught.value.type, caught.value.non_retryable) == ("no_choice", True)


async def test_a_call_that_a_provider_finds_too_large_goes_to_the_next(routed: Routed) -> None:
    """A 413 says something of that model only: the next choice answers as a first one, and no breaker counts it."""
    async with routed(f'{LARGE}, {{ model = "openai:larger", free = true }}') as route:
        route.server.play(Play(status=413, error="too long"))
        await route.call()
        assert route.asked() == ["large", "larger"]
        assert route.ledger.read_now(lambda connection: connection.execute(select(turn.c.chosen)).scalar()) == "first"
        assert route.ledger.read_now(breakers.noteworthy) == []


async def test_a_call_that_no_provider_takes_is_for_a_person(routed: Routed) -> None:
    """Where no other choice is left no time is waited for: a person is asked, in the provider's own words."""
    async with routed(f"{SMALL}, {LARGE}") as route:
        route.server.play(Play(status=413, error="too long"))
        gone = await route.refused()
        assert (gone.kind, gone.patience) == ("refused", timedelta())
        assert "openai:large at " in gone.why
        assert ": too long. The request is larger" in gone.why


REFUSALS = {
    "OpenRouter": openrouter('{"error":{"message":"the tools of this call are odd"}}'),
    "FastAPI": Play({"detail": [{"loc": ["body", "seed"], "msg": "value is not an integer"}]}, status=422),
    "DeepSeek's filter": error("Content Exists Risk"),
    "Ollama": error("gemma:2b does not support tools"),
}


@pytest.mark.parametrize("said", REFUSALS)
async def test_a_refused_call_goes_to_the_next_choice(routed: Routed, said: str) -> None:
    """A 400 or 422 is about this model: the next one answers, no breaker counts it, and nothing is charged."""
    async with routed(f'{LARGE}, {{ model = "openai:other", free = true }}') as route:
        route.server.play(REFUSALS[said])
        await route.call()
        assert route.asked() == ["large", "other"]
        assert route.ledger.read_now(breakers.noteworthy) == []


@pytest.mark.parametrize("said", REFUSALS)
async def test_a_call_that_all_refuse_is_for_a_person(routed: Routed, said: str) -> None:
    """With no choice left the run is told at once, with what the endpoint said, and asks again when a person says so."""
    async with routed(LARGE) as route:
        route.server.play(REFUSALS[said])
        gone = await route.refused()
        assert (gone.kind, gone.patience, route.asked()) == ("refused", timedelta(), ["large"])
        await route.call()
        assert route.asked() == ["large", "large"]


def answered(route: Route, bodies: list[str]) -> CallModel:
    """A call in a conversation whose tools have given these results."""
    head, request = "", route.make(0)
    for number, body in enumerate(bodies):
        made = replace(samples.turn(number, head, trace="trace-1"), path=request.run.path)
        route.ledger.tx_now(turns.insert, made)
        route.ledger.tx_now(turns.insert_result, replace(samples.result(made.id, 0, body), artifacts=[]))
        head = made.id
    return request.model_copy(update={"head": head, "key": "f" * 64})


async def test_a_call_found_too_large_is_shortened_once(routed: Routed) -> None:
    """The same model gets it again with references for older tool results, whose text is kept; the feed says so."""
    async with routed(LARGE) as route:
        request = answered(route, ["a" * 3000, "b" * 3000, "c" * 3000])
        route.server.play(anthropic("prompt is too long: 9 tokens > 8 maximum"), reply())
        await ActivityEnvironment().run(route.models.call_model, request)
        assert route.asked() == ["large", "large"]
        first, second = (json.dumps(seen.body) for seen in route.server.requests)
        assert [mark * 3000 in first for mark in "abc"] == [True] * 3
        assert [mark * 3000 in second for mark in "abc"] == [False, True, True]
        digest = sha256(("a" * 3000).encode())
        assert digest in second
        assert route.ledger.read_now(artifacts.get, route.ledger.files, digest) == b"a" * 3000
        lines = route.ledger.read_now(lambda connection: connection.execute(select(feed.c.did, feed.c.why)).all())
        assert ("replaced 1 older tool results by references", "openai:large found the call too large") in lines


TOO_LARGE = ["prompt is too long: 9 tokens > 8 maximum", "Prompt exceeds max length", "Range of input length should be [1, 9]"]


@pytest.mark.parametrize("said", TOO_LARGE)
async def test_later_turns_of_the_step_are_short_at_once(routed: Routed, said: str) -> None:
    """Where one was found too large: also on a worker that has not seen it, only at that model. The feed has what is new."""
    async with routed(f'{LARGE}, {{ model = "openai:larger", free = true }}') as route:
        request = answered(route, [mark * 3000 for mark in "abcd"])
        later = request.model_copy(update={"head": request.key, "key": "e" * 64})
        other = later.model_copy(update={"key": "d" * 64, "choices": later.choices[1:]})
        again = later.model_copy(update={"key": "c" * 64})
        route.server.play(error(said), reply(), reply(), reply(), error(said), reply())
        for one in (request, later, other, again):
            await ActivityEnvironment().run(route.models.call_model, one)
        assert route.asked() == ["large", "large", "large", "larger", "large", "larger"]
        bodies = [json.dumps(seen.body) for seen in route.server.requests]
        shown = ["".join(mark for mark in "abcd" if mark * 3000 in body) for body in bodies]
        assert shown == ["abcd", "cd", "d", "abcd", "d", "abcd"]
        lines = route.ledger.read_now(lambda connection: connection.execute(select(feed.c.did)).scalars().all())
        assert sorted(line.split()[1] for line in lines if line.startswith("replaced")) == ["1", "2"]


async def test_nothing_is_left_out_that_could_not_be_read_again(forgetful: Routed) -> None:
    """An agent without the tool for it gets no shorter prompt: the next choice is asked with all of it."""
    async with forgetful(f'{LARGE}, {{ model = "openai:larger", free = true }}') as route:
        request = answered(route, ["a" * 3000, "b" * 3000, "c" * 3000])
        route.server.play(error("Prompt exceeds max length", code="1261"), reply())
        await ActivityEnvironment().run(route.models.call_model, request)
        assert route.asked() == ["large", "larger"]
        assert "a" * 3000 in json.dumps(route.server.requests[1].body)


async def test_a_call_still_too_large_goes_to_the_next_choice(routed: Routed) -> None:
    """It is shortened once per choice and not again; where nothing is left a person gets the last one's words."""
    async with routed(f'{LARGE}, {{ model = "openai:larger", free = true }}') as route:
        request = answered(route, ["a" * 3000, "b" * 3000, "c" * 3000])
        route.server.play(*[error("Prompt exceeds max length", code="1261") for _ in range(4)])
        with pytest.raises(ApplicationError, match="Prompt exceeds max length") as caught:
            await ActivityEnvironment().run(route.models.call_model, request)
        assert (caught.value.type, route.asked()) == ("ModelsAway", ["large", "large", "larger", "larger"])


ODD = "this history has a comma too many near 17"


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are looked at as if a minute had passed since the first."""
    monkeypatch.setattr("activities.turns.health.now_us", lambda: now_us() + 60_000_000)


async def failed_like(route: Route, *texts: str) -> list[str]:
    """What kind of error each attempt at one call ends in, the provider saying these."""
    kinds = []
    for text in texts:
        route.server.play(error(text, 500))
        with pytest.raises(ApplicationError) as caught:
            await ActivityEnvironment().run(route.models.call_model, route.make(0))
        kinds.append(str(caught.value.type))
    return kinds


SAME = {
    "the same": (ODD, ODD, ODD, ODD),
    "but for numbers": (f"{ODD} (request 3f2a9)", f"{ODD} (request 77b01)", f"{ODD} (request 9)", f"{ODD} (request 12ab)"),
    "in another language": ("这里多了一个逗号",) * 4,
}


@pytest.mark.parametrize("said", SAME)
async def test_what_fails_the_same_way_again_and_again_is_for_a_person(unbroken: Routed, later: None, said: str) -> None:
    """A server that cannot read this call says so for ever: after the fourth time nobody waits for it any more."""
    async with unbroken(LARGE) as route:
        assert await failed_like(route, *SAME[said]) == ["server"] * 3 + ["ModelsAway"]


async def test_what_fails_the_same_way_again_and_again_is_for_the_next_choice(unbroken: Routed, later: None) -> None:
    """The same where there is another one: it answers, within the same attempt."""
    async with unbroken(f'{LARGE}, {{ model = "openai:other", free = true }}') as route:
        assert await failed_like(route, *[ODD] * 3) == ["server"] * 3
        route.server.play(error(ODD, 500), reply())
        await ActivityEnvironment().run(route.models.call_model, route.make(0))
        assert route.asked() == ["large"] * 4 + ["other"]


@pytest.mark.parametrize(
    "texts",
    [
        ("Internal Server Error",) * 6,
        ("The server had an error while processing your request. Sorry about that!",) * 6,
        ("upstream connect error or disconnect/reset before headers",) * 6,
        (ODD, "the lamp is off", ODD, "the lamp is off", ODD, "the lamp is off"),
    ],
    ids=["plain", "OpenAI", "Envoy", "always another"],
)
async def test_an_outage_is_no_refusal(unbroken: Routed, later: None, texts: tuple[str, ...]) -> None:
    """What every outage says, or what changes, shows nothing of the call: it is tried again, as the breaker allows."""
    async with unbroken(LARGE) as route:
        assert await failed_like(route, *texts) == ["server"] * len(texts)


async def test_a_short_outage_is_no_refusal_whatever_it_says(unbroken: Routed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words within seconds may be a deployment that goes wrong for a moment."""
    began = now_us()
    monkeypatch.setattr("activities.turns.health.now_us", lambda: began + 1_000_000)
    async with unbroken(LARGE) as route:
        assert await failed_like(route, *[ODD] * 6) == ["server"] * 6


async def test_a_call_that_is_too_large_for_one_waits_for_another(routed: Routed) -> None:
    """The larger model is away: that is waited for, the call is not given up because the other one cannot take it."""
    async with routed(f'{LARGE}, {{ model = "openai:larger", free = true }}') as route:
        route.server.faults.set("larger", "not_found")
        route.server.play(Play(status=413, error="too long"))
        gone = await route.refused()
        assert (gone.kind, route.asked()) == ("refused", ["large", "larger"])
        assert "too long" in gone.why


async def test_a_long_cooldown_is_waited_for_in_full(routed: Routed) -> None:
    """A reply that this version does not understand opens nothing at first: the run is told to come back a cooldown later."""
    async with routed(LARGE) as route:
        route.server.play(Play())
        gone = await route.refused()
    assert timedelta(days=1) < gone.until - datetime.now(UTC) <= SETTINGS.cooldown


async def test_a_call_that_may_cost_too_much_goes_to_the_next(routed: Routed) -> None:
    """A choice with a most price is passed over for a call that may cost more there."""
    dear = '{ model = "openai:dear", price = { input = 1_000_000, output = 1_000_000 }, most_micros = 5 }'
    async with routed(f"{dear}, {LARGE}") as route:
        await route.call()
        assert route.asked() == ["large"]


async def test_a_limit_per_minute_is_a_durable_wait(routed: Routed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second call of the minute is not made; its run is told when the next minute begins. The spare is not used up."""
    limited = '{ model = "openai:one", free = true, requests_per_minute = 1 }'
    spare = '{ model = "openai:spare", free = true, when = ["outage"] }'
    async with routed(f"{limited}, {spare}") as route:
        # Both calls fall into one minute, and one that is not over before the second: the next.
        minute = (now_us() // rates.WINDOW + 1) * rates.WINDOW
        monkeypatch.setattr(reserving, "server_us", lambda connection: minute + 1)
        await route.call(1)
        gone = await route.refused(2)
        assert (gone.kind, gone.patience, route.asked()) == ("rate", SETTINGS.rate_patience, ["one"])
        assert gone.until == from_us(minute + rates.WINDOW)
        assert "its rate limit of 1 requests per minute" in gone.why


async def test_tokens_of_the_minute_are_what_was_used(routed: Routed) -> None:
    """A call is let in with its worst case and counted with what it really used."""
    async with routed('{ model = "openai:one", free = true, tokens_per_minute = 1_000_000 }') as route:
        await route.call()
        assert route.ledger.read_now(lambda connection: connection.execute(select(rate.c.tokens)).scalar()) == 120


async def test_an_unlimited_healthy_model_writes_nothing_more(routed: Routed) -> None:
    """An ordinary call leaves no row in breakers and rates."""
    async with routed(LARGE) as route:
        await route.call()
        assert route.ledger.read_now(breakers.noteworthy) == []
        assert route.ledger.read_now(rates.in_use, now_us()) == {}


async def test_an_agent_that_gives_up_again_and_again_begins_no_step(routed: Routed) -> None:
    """Two could_not in a row open its breaker: the next step is refused without a call, and there is no patience for it."""
    async with routed(LARGE) as route:
        for step in (1, 2):
            await route.call(step, BAD)
        gone = await route.refused(3)
        assert (gone.kind, gone.patience, len(route.asked())) == ("agent", timedelta(), 2)
        assert "circuit breaker open for agent:helper@v1" in gone.why


async def test_a_turn_with_tools_says_nothing_of_its_agent(routed: Routed) -> None:
    """An agent that looks around before it gives up has given up all the same: only its outputs count."""
    look = ToolCall(call_id="1", name="read_file", arguments={"path": "a.py", "first_line": None, "lines": None})
    async with routed(LARGE) as route:
        await route.call(1, BAD)
        route.server.play(reply("").model_copy(update={"calls": (look,), "stop": "tools"}))
        turn = await ActivityEnvironment().run(route.models.call_model, route.make(2))
        assert [one.name for one in turn.calls] == ["read_file"]
        await route.call(3, BAD)
        assert (await route.refused(4)).kind == "agent"


async def test_an_agent_that_answers_between_is_not_stopped(routed: Routed) -> None:
    """Failures count since the last good answer."""
    async with routed(LARGE) as route:
        for step, text in enumerate((BAD, GOOD, BAD, GOOD)):
            await route.call(step, text)
        assert len(route.asked()) == 4


async def test_a_stored_turn_needs_no_model(routed: Routed) -> None:
    """A call that was made before gives back its turn, also while every breaker is open."""
    async with routed(LARGE) as route:
        first = await route.call()
        route.server.faults.set("large", "not_found")
        gone = await route.refused(1)
        assert gone.kind == "refused"
        route.server.queue.clear()
        assert await ActivityEnvironment().run(route.models.call_model, route.make(0)) == first
