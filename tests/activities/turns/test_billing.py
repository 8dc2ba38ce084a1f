"""What a reply is charged where its form is refused, its provider states a cost, or another model answers than was asked."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.gates.policy import load_policy
from activities.money import prices
from activities.providers.anthropic import Anthropic
from activities.providers.base import Provider
from activities.providers.openai import OpenAI
from activities.providers.openai_responses import OpenAIResponses
from activities.runs.admission import Admission
from activities.turns.billing import renamed
from activities.turns.models import Models
from contracts.agents import Choice
from contracts.endpoints import EndpointSetting
from contracts.turns import Turn
from ledger import tables
from ledger.money import spend
from ledger.money.spend import Scope
from tests.activities.turns.test_settlement import CEILINGS, COST, REPLY, USED, Paying, paying_by
from tests.wire.samples import KEY, MADE
from tests.wire.server import Play
from tests.wire.vendors import completion, message, response, said


@pytest.fixture(params=MADE)
async def paying(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Paying]:
    """Each format in turn."""
    async with paying_by(request.param, sqlite_url, tmp_path) as made:
        yield made


@pytest.fixture
async def chat(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Paying]:
    """Chat Completions alone."""
    async with paying_by("chat", sqlite_url, tmp_path) as made:
        yield made


async def turn(paying: Paying, choice: Choice, provider: Provider | None = None, key: str = "", vendor: str = "") -> Turn:
    """A call by this choice; `vendor` says whose prices count there."""
    admission = Admission(paying.ledger, paying.catalogue, load_policy(Path("policy.toml")), CEILINGS, lambda _: ())
    providers = {choice.provider: provider or paying.provider}
    vendors = {choice.provider: vendor} if vendor else None
    models = Models(paying.ledger, paying.catalogue, providers, CEILINGS, admission, "worker-1", vendors=vendors)
    request = paying.request.model_copy(update={"choices": (choice,)} | ({"key": key} if key else {}))
    return await ActivityEnvironment().run(models.call_model, request)


def money_lines(paying: Paying) -> list[Any]:
    """The feed's lines about money."""
    query = select(tables.feed).where(tables.feed.c.stage == "money")
    return paying.ledger.read_now(lambda connection: list(connection.execute(query)))


BILLS = EndpointSetting(bill_as_stated=True)

REFUSED: dict[str, list[dict[str, Any]]] = {
    "chat": [completion({"role": "user", "content": "x"}), completion({}, choices=[]), completion({"content": ""}, "error")],
    "anthropic": [message(3), message([], role="user"), message([{"type": "text", "text": 3}])],
    "responses": [response(output="x"), response(said(role="user")), response(status="cancelled")],
}


@pytest.mark.parametrize("which", [0, 1, 2])
async def test_a_refused_reply_is_charged_by_its_own_count(paying: Paying, which: int) -> None:
    """1200 in and 90 out at 1 and 2 are charged, not the far larger sum that was held; then the run waits or asks."""
    paying.server.play(Play(REFUSED[paying.format][which]))
    with pytest.raises(ApplicationError):
        await paying.call()
    held = paying.row(tables.reservation)
    assert (held.state, held.settled, held.error in ("drift", "cut")) == ("lost", 1200 + 180, True)
    assert held.amount > held.settled
    scopes = paying.ledger.read_now(lambda connection: list(connection.execute(select(tables.scope))))
    assert {(scope.spent, scope.held) for scope in scopes} == {(1380, 0)}


@pytest.mark.parametrize(
    "usage", [None, {"prompt_tokens": 10**12, "input_tokens": 10**12, "completion_tokens": 1, "output_tokens": 1}]
)
async def test_a_refused_reply_without_a_count_is_charged_in_full(paying: Paying, usage: Any) -> None:
    """Nobody knows what it has cost, and an impossible count is none."""
    paying.server.play(Play(REFUSED[paying.format][0] | {"usage": usage}))
    with pytest.raises(ApplicationError):
        await paying.call()
    held = paying.row(tables.reservation)
    assert (held.state, held.settled) == ("lost", held.amount)


NOTHING = {
    "a login page": Play(b"<!doctype html><title>Sign in</title>", headers={"content-type": "text/html"}),
    "a list of errors": Play([{"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}]),
}


@pytest.mark.parametrize("what", NOTHING)
async def test_what_is_no_answer_of_a_model_costs_nothing(paying: Paying, what: str) -> None:
    """Under HTTP 200 too: nobody has read the prompt."""
    paying.server.play(NOTHING[what])
    with pytest.raises(ApplicationError):
        await paying.call()
    held = paying.row(tables.reservation)
    assert (held.state, held.settled) == ("released", 0)


async def test_an_error_that_counts_its_prompt_is_charged_by_that(paying: Paying) -> None:
    """1200 in and nothing out at 1 are charged, and not all that was held for an answer that never came."""
    usage = {"prompt_tokens": 1200, "completion_tokens": 0, "input_tokens": 1200, "output_tokens": 0}
    paying.server.play(Play({"error": {"message": "it broke"}, "usage": usage}))
    with pytest.raises(ApplicationError):
        await paying.call()
    held = paying.row(tables.reservation)
    assert (held.state, held.settled) == ("lost", 1200)


@pytest.mark.parametrize(("usd", "charged"), [(0.0009, 900), (0, 0)])
async def test_a_refused_reply_is_billed_as_stated_where_the_settings_say_so(chat: Paying, usd: float, charged: int) -> None:
    """As any other reply of that endpoint."""
    provider = OpenAI(KEY, chat.server.openai_url, name="corner", setting=BILLS)
    usage = {"prompt_tokens": 1200, "completion_tokens": 90, "cost": usd}
    chat.server.play(Play(completion({"role": "user", "content": "x"}, usage=usage)))
    with pytest.raises(ApplicationError):
        await turn(chat, Choice(model="corner:test"), provider)
    await provider.close()
    assert chat.row(tables.reservation).settled == charged


STATES: dict[str, tuple[str, Any]] = {
    "OpenRouter": ("usage", lambda usd: {"cost": usd}),
    "DeepInfra": ("usage", lambda usd: {"estimated_cost": usd}),
    "xAI": ("usage", lambda usd: {"cost_in_usd_ticks": round(usd * 10**10)}),
    "LiteLLM": ("header", lambda usd: {"x-litellm-response-cost": str(usd)}),
}


def stating(vendor: str, usd: float) -> Play:
    """The reply, with what it costs as this vendor says it."""
    where, form = STATES[vendor]
    counted = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    if where == "header":
        return Play(REPLY, change={"usage": counted}, headers=form(usd))
    return Play(REPLY, change={"usage": counted | form(usd)})


@pytest.mark.parametrize("vendor", STATES)
async def test_a_stated_cost_is_the_bill_where_the_settings_say_so(chat: Paying, vendor: str) -> None:
    """The endpoint's own number is charged, whatever the price list says, and an alert tells of the difference."""
    provider = OpenAI(KEY, chat.server.openai_url, name="corner", setting=BILLS)
    chat.server.play(stating(vendor, 0.0009))
    made = await turn(chat, Choice(model="corner:test"), provider)
    await provider.close()
    assert (made.usd_micros, chat.row(tables.reservation).settled, chat.row(tables.turn).usd_micros) == (900, 900, 900)
    (line,) = money_lines(chat)
    assert (line.importance, "$0.0009" in line.why, "$0.0012" in line.why) == ("alert", True, True)


@pytest.mark.parametrize("made", [Anthropic, OpenAIResponses])
async def test_every_format_bills_as_stated(chat: Paying, made: Any) -> None:
    """LiteLLM states the cost of a call in a header of each format that it speaks."""
    provider = made(KEY, chat.server.url if made is Anthropic else chat.server.openai_url, name="corner", setting=BILLS)
    chat.server.play(Play(REPLY, headers={"x-litellm-response-cost": "0.0007"}))
    assert (await turn(chat, Choice(model="corner:test"), provider)).usd_micros == 700
    await provider.close()


@pytest.mark.parametrize("vendor", STATES)
@pytest.mark.parametrize(
    ("usd", "alerts"), [(0.0012, 0), (0.00144, 0), (0.0010, 0), (0.00145, 1), (0.0009, 1), (0.9, 1), (0, 1)]
)
async def test_a_stated_cost_is_compared_otherwise(chat: Paying, vendor: str, usd: float, alerts: int) -> None:
    """1000 in and 100 out at 1 and 2 are charged; more than a fifth beside it is an alert, and says what to correct."""
    chat.server.play(stating(vendor, usd))
    made = await turn(chat, Choice(model="corner:test"))
    assert made.usd_micros == 1200
    lines = money_lines(chat)
    assert [(line.importance, 'prices."corner:test"' in line.next) for line in lines] == [("alert", True)] * alerts


async def test_a_stated_cost_beyond_what_was_held_is_told_and_not_charged(chat: Paying) -> None:
    """No ceiling has room for it: what was held is charged, and the alert names both sums."""
    provider = OpenAI(KEY, chat.server.openai_url, name="corner", setting=BILLS)
    chat.server.play(stating("OpenRouter", 900.0))
    made = await turn(chat, Choice(model="corner:test"), provider)
    await provider.close()
    assert made.usd_micros == chat.row(tables.reservation).amount
    assert "$900.00" in money_lines(chat)[0].why


async def test_a_stated_cost_is_the_bill_also_without_a_count(chat: Paying) -> None:
    """What the call has used stays unknown, and the turn flagged; what it has cost is known."""
    provider = OpenAI(KEY, chat.server.openai_url, name="corner", setting=BILLS)
    chat.server.play(Play(REPLY, change={"usage": {"cost": 0.0005}}))
    made = await turn(chat, Choice(model="corner:test"), provider)
    await provider.close()
    assert (made.usd_micros, chat.row(tables.turn).flagged) == (500, True)


async def test_an_alias_is_charged_by_who_answered_and_told_once_a_day(paying: Paying) -> None:
    """The list has a price for the model that answered, and the feed says so once however many calls there are."""
    vendor = "anthropic" if paying.format == "anthropic" else "openai"
    asked, answered = ("claude-opus-4-1", "claude-haiku-4-5") if vendor == "anthropic" else ("gpt-4o", "gpt-4o-mini")
    expected = prices.tariff(Choice(model=f"{vendor}:{answered}"))
    assert expected.cost(USED) < prices.tariff(Choice(model=f"{vendor}:{asked}")).cost(USED)
    paying.server.play(*[Play(replace_model(answered))] * 2)
    first = await turn(paying, Choice(model=f"{vendor}:{asked}"))
    second = await turn(paying, Choice(model=f"{vendor}:{asked}"), key="f" * 64)
    assert (first.usd_micros, second.usd_micros) == (expected.cost(USED), expected.cost(USED))
    lines = money_lines(paying)
    assert len(lines) == len({line.key.rpartition("/")[2] for line in lines})
    assert lines[0].did == f"{vendor}:{asked} answers as {answered}"
    assert (lines[0].importance, f"the price of {answered}" in lines[0].next) == ("overview", True)


@pytest.mark.parametrize(
    ("vendor", "asked", "answered"),
    [
        ("openai", "gpt-4o", "gpt-4o-mini"),
        ("deepseek", "deepseek-reasoner", "deepseek-chat"),
        ("groq", "llama-3.3-70b-versatile", "llama-3.1-8b-instant"),
    ],
)
async def test_an_alias_at_an_endpoint_has_its_vendors_price(chat: Paying, vendor: str, asked: str, answered: str) -> None:
    """The endpoint's own name is no vendor: its table says whose prices count, for who answers as for who was asked."""
    chat.server.play(Play(replace_model(answered)))
    made = await turn(chat, Choice(model=f"mine:{asked}"), vendor=vendor)
    assert made.usd_micros == prices.tariff(Choice(model=f"{vendor}:{answered}")).cost(USED)
    assert f"the price of {answered}" in money_lines(chat)[0].next


async def test_an_alias_without_a_price_is_charged_as_asked(paying: Paying) -> None:
    """What a person has written about a model counts for whatever answers there; the feed still names it."""
    paying.server.play(Play(replace_model("gpt-4o-mini")))
    assert (await turn(paying, Choice(model="corner:test"))).usd_micros == COST
    assert [(line.did, "model that was asked" in line.next) for line in money_lines(paying)] == [
        ("corner:test answers as gpt-4o-mini", True)
    ]


async def test_a_dearer_answer_is_charged_up_to_what_was_held(chat: Paying) -> None:
    """The reservation was made by the price of the model that was asked."""
    dear = prices.tariff(Choice(model="openai:gpt-4o"))
    used = USED.model_copy(update={"input": 20, "output": 1500, "cache_read": 0, "cache_write": 0, "reasoning": 0})
    chat.server.play(Play(replace_model("gpt-4o").model_copy(update={"usage": used})))
    made = await turn(chat, Choice(model="openai:gpt-4o-mini"))
    held = chat.row(tables.reservation)
    assert made.usd_micros == min(dear.cost(used), held.amount)
    assert chat.row(tables.turn).flagged is False


def replace_model(model: str) -> Any:
    """The reply of another model."""
    return REPLY.model_copy(update={"model": model})


NAMES = [
    ("gpt-4o", "gpt-4o", False),
    ("gpt-4o", "gpt-4o-2024-08-06", False),
    ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", False),
    ("gemini-2.5-pro", "models/gemini-2.5-pro", False),
    ("openai/gpt-4o", "gpt-4o", False),
    ("deepseek/deepseek-chat", "DeepSeek-Chat", False),
    ("gpt-4", "gpt-4-0613", False),
    ("gpt-4o-2024-08-06", "gpt-4o", False),
    ("gpt-4o", "gpt-4o-mini", True),
    ("gpt-4", "gpt-4.1", True),
    ("mistral-large-latest", "mistral-large-2512", True),
    ("small", "gpt-4o-mini", True),
    ("my-deployment", "gpt-5", True),
    ("qwen3:8b", "qwen3:14b", True),
]


@pytest.mark.parametrize(("asked", "answered", "other"), NAMES)
def test_a_date_or_a_vendor_is_no_other_name(asked: str, answered: str, other: bool) -> None:
    """Only a name that may be another model is told."""
    assert renamed(asked, answered) is other


async def test_what_a_late_answer_has_used_corrects_what_was_lost(chat: Paying) -> None:
    """An attempt that was given up and charged in full is corrected by its own count, once."""

    def lost(connection: Any) -> tuple[bool, bool, bool, int]:
        identity = spend.reserve(connection, "k", [Scope("run:t", 10_000)], 5_000, price_version="1", worker="w")
        whole = spend.close(connection, identity, "lost")
        corrected, again = spend.close(connection, identity, "lost", 300), spend.close(connection, identity, "lost", 300)
        spent = connection.execute(select(tables.scope.c.spent).where(tables.scope.c.id == "run:t")).scalar_one()
        return whole, corrected, again, spent

    assert await chat.ledger.tx(lost) == (True, True, False, 300)
