"""Steps with the shipped routes and one vendor's key, or both, through the real clients: what answers first, and what then."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.figures import quality
from ledger.figures.period import Period
from tests.outage.conftest import DONE, Drilled
from tests.scripts import Turn, summary, unsure

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
