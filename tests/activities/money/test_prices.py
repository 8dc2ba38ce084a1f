"""Prices: integer micro-dollars, rounded up, never guessed and never zero by accident."""

from datetime import UTC, date, datetime
from decimal import ROUND_CEILING
from pathlib import Path

import pytest
from genai_prices import Usage as ListUsage
from genai_prices import calc_price
from hypothesis import given
from hypothesis import strategies as st

import config
import model_choice
from activities.agents.catalogue import load_catalogue
from activities.money import prices
from activities.money.prices import charge, estimate, tariff
from activities.tools.registry import TOOLS
from contracts.agents import Choice, DatedPrice, Price
from contracts.conversation import Usage
from contracts.errors import Misconfigured

LISTED = Choice(model="anthropic:claude-sonnet-5-5")
TIERED = Choice(model="openai:gpt-6.1-sol")
OWN = Choice(model="corner:shop", price=Price(input=3_000_000, output=15_000_000))
KEPT = Choice(model="corner:shop", price=Price(input=3_000_000, output=15_000_000, cache_read=300_000, cache_write=3_750_000))
FREE = Choice(model="corner:shop", free=True)
SCRIPTED = Choice(model="scripted:any")
UNKNOWN = Choice(model="corner:shop")
DATED = {"corner:shop": DatedPrice(date=date(2026, 11, 1), input=1_000_000, output=2_000_000)}

PAID = [LISTED, TIERED, OWN, KEPT]
COUNT = st.integers(0, 2_000_000)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Any usage of which no part is larger than its whole; what is kept for an hour is never asked for."""
    read, write, reasoning = draw(COUNT), draw(COUNT), draw(COUNT)
    given = read + write + draw(COUNT)
    return Usage(input=given, output=reasoning + draw(COUNT), cache_read=read, cache_write=write, reasoning=reasoning)


@pytest.mark.parametrize("choice", [UNKNOWN, Choice(model="anthropic:no-such-model"), Choice(model="scriptedx:any")])
def test_an_unknown_price_is_refused(choice: Choice) -> None:
    """No price is not a price of zero, and the message says what to write where."""
    said = rf'{choice.model} has no price in genai-prices .*routes\.toml.*\[prices\."{choice.model}"\].*free = true'
    with pytest.raises(Misconfigured, match=said):
        tariff(choice, {"corner:other": DATED["corner:shop"]})


@pytest.mark.parametrize("choice", [FREE, SCRIPTED])
def test_only_what_is_said_to_be_free_costs_nothing(choice: Choice) -> None:
    """A model that routes.toml calls free, and the scripted one."""
    much = Usage(input=10**9, output=10**6)
    assert tariff(choice).worst_case(much) == tariff(choice).cost(much) == 0
    assert tariff(choice).version == "free"


def test_a_declared_price_counts() -> None:
    """Micro-dollars per million tokens, for each kind of token apart; the record says which price it was."""
    assert tariff(OWN).cost(Usage(input=1_000_000, output=0)) == 3_000_000
    assert tariff(OWN).cost(Usage(input=0, output=1_000_000)) == 15_000_000
    assert tariff(OWN).cost(Usage(input=1_000_000, cache_read=600_000, cache_write=400_000)) == 3_000_000
    assert tariff(KEPT).cost(Usage(input=1_000_000, cache_read=600_000, cache_write=400_000)) == 180_000 + 1_500_000
    assert tariff(OWN).version == "routes 3000000/15000000"
    assert tariff(KEPT).version == "routes 3000000/15000000/300000/3750000"


def test_each_declared_price_goes_before_the_next() -> None:
    """Free before a choice's own price, that before the dated table, and the table before the list."""
    used = Usage(input=1_000_000)
    table = {LISTED.model: DATED["corner:shop"]}
    own = Choice(model=LISTED.model, price=Price(input=7, output=1))
    assert tariff(Choice(model=LISTED.model, free=True, price=own.price), table).cost(used) == 0
    assert tariff(own, table).cost(used) == 7
    assert (tariff(LISTED, table).cost(used), tariff(LISTED, table).version) == (1_000_000, "routes.toml 2026-11-01")
    assert tariff(LISTED).version == prices.TABLE


def test_where_prices_come_from_is_told_in_words() -> None:
    """The list by its version; with own prices, how many there are and how old the newest is."""
    later = {"corner:cafe": DatedPrice(date=date(2026, 11, 9), input=1, output=1)}
    assert prices.sources({}) == prices.TABLE
    assert prices.sources(later | DATED) == f"{prices.TABLE}; before it 2 of routes.toml, the newest of 2026-11-09"


@pytest.mark.parametrize(("vendor", "million"), [("openai", 39_000 + 180_000), ("cerebras", 350_000 + 750_000), ("groq", None)])
def test_the_vendor_of_the_endpoint_decides_and_not_the_name_alone(vendor: str, million: int | None) -> None:
    """One model costs several times as much with another vendor; what its endpoint says counts."""
    choice = Choice(model="mine:gpt-oss-120b" if vendor != "groq" else "mine:openai/gpt-oss-120b")
    made = tariff(choice, vendors={"mine": vendor})
    cost = made.cost(Usage(input=1_000_000, output=1_000_000))
    listed = calc_price(ListUsage(input_tokens=1_000_000, output_tokens=1_000_000), choice.model_name, provider_id=vendor)
    assert cost == int(listed.total_price * 1_000_000)
    assert million is None or cost == million


def test_a_vendors_model_at_an_endpoint_of_ones_own_has_no_price_until_it_is_said() -> None:
    """By vendor, price or free; before that the error says what to write."""
    for choice in (LISTED, TIERED):
        name = choice.provider
        with pytest.raises(Misconfigured, match=rf'(?s)name alone.*vendor = "…" in \[providers.{name}\].*free = true'):
            tariff(choice, vendors={name: ""})
        with pytest.raises(Misconfigured, match=r"no price for the vendor groq in genai-prices [0-9.]+ and none"):
            tariff(choice, vendors={name: "groq"})
        assert tariff(choice, {choice.model: DATED["corner:shop"]}, {name: ""}).version.startswith("routes.toml")
        assert tariff(choice.model_copy(update={"free": True}), vendors={name: ""}).version == "free"


def test_a_vendor_that_the_list_has_not_is_refused_by_name() -> None:
    """A typing error would otherwise be a model without a price; the error shows which vendors there are."""
    settings = config.load(providers={"mine": {"speaks": "chat", "base_url": "http://h/v1", "vendor": "deepseak"}})
    with pytest.raises(Misconfigured, match=r"\[providers.mine\]: .* has no vendor 'deepseak'; it has .*deepseek"):
        model_choice.vendors(settings)


def test_a_fraction_is_rounded_up() -> None:
    """A single token of a cheap model costs one micro-dollar, not none."""
    cheap = Choice(model="corner:shop", price=Price(input=1, output=1))
    assert tariff(cheap).cost(Usage(input=1)) == 1
    assert tariff(OWN).cost(Usage(input=1)) == 3
    assert tariff(cheap).cost(Usage(input=1_000_000, output=1)) == 2


def test_cached_tokens_of_anthropic_by_hand() -> None:
    """1000 fresh, 20000 read, 4000 written for minutes, 2000 for an hour and 500 out, each at its own price."""
    used = Usage(input=27_000, output=500, cache_read=20_000, cache_write=6_000, cache_write_1h=2_000)
    opus = tariff(Choice(model="anthropic:claude-opus-5-5"))
    # $4 fresh, $0.20 read, $5 written, $8 for an hour, $20 out.
    assert opus.cost(used) == 4_000 + 4_000 + 20_000 + 16_000 + 10_000


def test_cached_tokens_of_openai_by_hand() -> None:
    """GPT-6.1 Sol: $2 fresh, $0.10 read, $2.50 written, $10 out; above 272,000 tokens of input $4, $0.20, $5 and $15."""
    used = Usage(input=27_001, output=500, cache_read=20_000, cache_write=6_001, reasoning=300)
    assert tariff(TIERED).cost(used) == 2_000 + 2_000 + 15_003 + 5_000  # 2.5 micro-dollars are left: rounded up
    at = Usage(input=272_000, output=1_000, cache_read=100_000)
    above = at.model_copy(update={"input": 272_001})
    assert tariff(TIERED).cost(at) == 344_000 + 10_000 + 10_000
    assert tariff(TIERED).cost(above) == 688_004 + 20_000 + 15_000


LIKE_LISTED = [
    "anthropic:claude-opus-5-5",
    "openai:gpt-6.1-terra",
    "openai:gpt-4o",
    "google:gemini-2.5-pro",
    "deepseek:deepseek-chat",
]


@pytest.mark.parametrize("model", LIKE_LISTED)
@given(used=usages())
def test_the_list_is_read_as_its_makers_read_it(model: str, used: Usage) -> None:
    """For models with and without cache prices and steps, the sum is the one that genai-prices itself makes."""
    name = model.partition(":")
    kinds = {"cache_read_tokens": used.cache_read or None, "cache_write_tokens": used.cache_write or None}
    listed = calc_price(ListUsage(input_tokens=used.input, output_tokens=used.output, **kinds), name[2], provider_id=name[0])
    wanted = int((listed.total_price * 1_000_000).to_integral_value(rounding=ROUND_CEILING))
    assert tariff(Choice(model=model)).cost(used) == wanted


@given(used=usages(), spare_in=COUNT, spare_out=COUNT)
@pytest.mark.parametrize("choice", PAID, ids=lambda choice: choice.model)
def test_the_worst_case_covers_every_reply(choice: Choice, used: Usage, spare_in: int, spare_out: int) -> None:
    """Whatever a reply used within its input and output costs no more than was held, cache writes and steps included."""
    made = tariff(choice)
    cost, held = made.cost(used), made.worst_case(Usage(input=used.input + spare_in, output=used.output + spare_out))
    assert isinstance(cost, int)
    assert 0 <= cost <= held


def test_a_worst_case_of_fresh_input_alone_would_not_do() -> None:
    """The test above can fail: written into a cache, the same input costs more than fresh."""
    written = Usage(input=1_000, cache_write=1_000)
    assert tariff(LISTED).cost(written) > tariff(LISTED).cost(Usage(input=1_000))


@given(used=usages(), more=usages())
def test_more_tokens_never_cost_less(used: Usage, more: Usage) -> None:
    """Rounding and steps never turn the order around."""
    both = Usage(**{name: getattr(used, name) + getattr(more, name) for name in Usage.model_fields})
    for choice in PAID:
        assert tariff(choice).cost(used) <= tariff(choice).cost(both)


def test_what_cannot_be_is_not_charged() -> None:
    """Missing usage, and one that costs more than the most that was possible, is none; what fits is charged as it is."""
    most = Usage(input=1_000, output=100)
    assert charge(tariff(OWN), most, None) is None
    assert charge(tariff(OWN), most, Usage(input=2**50, output=1)) is None
    assert charge(tariff(OWN), most, Usage(input=1_001, output=100)) is None
    assert charge(tariff(OWN), most, most) == tariff(OWN).worst_case(most) == 4_500
    assert charge(tariff(FREE), most, Usage(input=2**50)) == 0


ESTIMATES = [
    ("the quick brown fox jumps over the lazy dog\n", 22),
    ("0123456789abcdef", 13),
    ("{[()]}", 6),
    ("日本語", 9),
    ("🦀", 4),
    ("", 0),
]


@pytest.mark.parametrize(("text", "tokens"), ESTIMATES)
def test_the_estimate_by_hand(text: str, tokens: int) -> None:
    """Two letters or spaces to a token; every other byte, and every byte of a script that is not Latin, is one of its own."""
    assert estimate(text.encode()) == tokens + prices.HIDDEN_TOKENS


@given(st.binary(), st.binary())
def test_the_estimate_grows_with_its_prompt(one: bytes, two: bytes) -> None:
    """A longer prompt never has a smaller estimate, and none is estimated above its bytes and what a provider adds."""
    assert estimate(one) <= estimate(one + two) <= len(one + two) + prices.HIDDEN_TOKENS


def test_the_smallest_call_holds_something() -> None:
    """Also an empty prompt reserves money before it is sent."""
    for choice in PAID:
        assert tariff(choice).worst_case(Usage(input=estimate(b""), output=1)) > 0


def test_every_shipped_model_has_a_price() -> None:
    """No class of the shipped routes leads to a model that would be refused for want of a price."""
    routes = load_catalogue(Path("agents"), TOOLS).routes
    models = {choice.model: tariff(choice, routes.prices) for several in routes.classes.values() for choice in several}
    assert len(models) > 1
    for model, made in models.items():
        assert made.cost(Usage(input=1_000_000)) > 0, model
        assert made.cost(Usage(output=1_000_000)) > 0, model


@pytest.mark.parametrize(("hour", "micros"), [(2, 300_000), (5, 150_000), (7, 300_000), (23, 150_000)])
def test_a_price_of_the_hour_is_by_temporals_clock(monkeypatch: pytest.MonkeyPatch, hour: int, micros: int) -> None:
    """By when Temporal handed out the call: a worker whose clock is half a day off would charge half, or twice as much."""
    monkeypatch.setattr(prices, "started_at", lambda: datetime(2026, 11, 20, hour, 30, tzinfo=UTC))
    peak = tariff(Choice(model="cheap:deepseek-flash"), vendors={"cheap": "deepseek"})
    assert peak.cost(Usage(input=1_000_000, output=0)) == micros
