"""Steps with the shipped routes and one vendor's key, or both, through the real clients: what answers first, and what then."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.figures import quality
from ledger.figures.period import Period
from tests.outage.conftest import DONE, Drilled
from tests.scripts import Turn, answer, summary, unsure

SHIPPED = (Path(__file__).parents[2] / "agents" / "routes.toml").read_text()
EVER = Period(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
HAIKU, SONNET = "anthropic:claude-haiku-5-5", "anthropic:claude-sonnet-5-5"
TERRA, SOL = "openai:gpt-6.1-terra", "openai:gpt-6.1-sol"

KEYS: dict[str, tuple[str, str]] = {"anthropic": (HAIKU, SONNET), "openai": (TERRA, SOL), "both": (HAIKU, SONNET)}
ENDS: dict[str, tuple[tuple[Turn, ...], list[tuple[int, str, str]], int]] = {
    "done": ((DONE,), [(0, "first", "ask")], 0),
    "invalid": (({"raw": "not JSON"}, DONE), [(0, "first", "ask"), (1, "invalid", "ask")], 1),
    "unsure": (
        (unsure("it could be both", body=summary("perhaps")),),
        [(0, "first", "ask"), (1, "unsure", "ask/again")],
        1,
    ),
}


def only(keys: str) -> dict[str, Any]:
    """The settings of a worker that can reach these vendors alone, at their own prices."""
    gone = [] if keys == "both" else [{"openai": "anthropic", "anthropic": "openai"}[keys]]
    named = [name for name in ("anthropic", "openai") if name not in gone]
    without = {f"{name}_{what}": "" for name in gone for what in ("base_url", "api_key")}
    return {**without, "providers": {name: {"vendor": name} for name in named}}


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("keys", KEYS)
async def test_a_worker_starts_cheap_and_steps_up(drill: Drilled, keys: str, how: str) -> None:
    """The cheap model is asked first, the better one after a reply or a step that was not enough, and the figure counts it."""
    turns, asked, stepped = ENDS[how]
    async with drill(*turns, routes=SHIPPED, **only(keys)) as made:
        ended = await made.asking.ended(await made.asking.start())
        found = await made.asking.stack.ledger.read(quality.agents, EVER)
    assert [(row.model_asked, row.chosen, row.path) for row in ended.turns] == [
        (KEYS[keys][which], chosen, path) for which, chosen, path in asked
    ]
    assert all(row.usd_micros > 0 for row in ended.turns)
    assert (found["helper@v1"].stepped_up, found["helper@v1"].steps) == (stepped, 1)


PEOPLE = '[classes]\nworker = [{ model = "openai:one", free = true }, { model = "human:maria", when = ["outage"] }]\n'


@pytest.mark.parametrize("key", ["there", "missing"])
async def test_a_person_does_what_no_model_can_be_reached_for(drill: Drilled, key: str) -> None:
    """Declared for outages, a person is asked once the provider is out, and at once where its key is missing: they hear why,
    and the run does not wait for the model."""
    gone = {"openai_base_url": "", "openai_api_key": ""} if key == "missing" else {}
    async with drill(routes=PEOPLE, **gone) as made:
        made.one.faults.set("one", "server")
        run = await made.asking.start()
        view = await made.asking.stack.gate(run, "work-1")
        await made.asking.stack.decide(view, "answer", made=answer(summary("by hand"))["answer"])
        ended = await made.asking.ended(run)
    assert view.work is not None
    assert (ended.summary, ended.handoff.producer.model) == ("by hand", "human:maria")
    chosen, why = ("first", "") if key == "missing" else ("outage", "openai:one: ")
    assert (view.work.chosen, view.work.why.startswith(why)) == (chosen, True), view.work
    assert [row.chosen for row in ended.turns] == [chosen]


ITSELF = '[classes]\nworker = [{ model = "openai:one", free = true, when = ["first", "outage", "invalid", "unsure"] }]\n'


@pytest.mark.parametrize("how", ["invalid", "unsure"])
async def test_a_model_alone_is_not_paid_twice_for_one_step(drill: Drilled, how: str) -> None:
    """With nothing to step up to an unusable reply is repaired as ever; an unsure step is not repeated by the same model."""
    turns, asked, _ = ENDS[how]
    async with drill(*turns, routes=ITSELF) as made:
        ended = await made.asking.ended(await made.asking.start())
        found = await made.asking.stack.ledger.read(quality.agents, EVER)
    wanted = len(asked) if how == "invalid" else 1
    assert [(row.model_asked, row.chosen, row.path) for row in ended.turns] == [("openai:one", "first", "ask")] * wanted
    assert (found["helper@v1"].stepped_up, found["helper@v1"].steps) == (0, 1)
