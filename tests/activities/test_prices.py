"""Prices: integer micro-dollars, rounded up, never guessed and never zero by accident."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities import prices
from contracts.agents import Choice, Price
from contracts.conversation import Usage
from contracts.errors import Misconfigured

LISTED = Choice(model="anthropic:claude-sonnet-5-5")
OWN = Choice(model="corner:shop", price=Price(input=3_000_000, output=15_000_000))
FREE = Choice(model="corner:shop", free=True)
SCRIPTED = Choice(model="scripted:any")
UNKNOWN = Choice(model="corner:shop")

TOKENS = st.integers(0, 5_000_000)


@pytest.mark.parametrize("choice", [UNKNOWN, Choice(model="anthropic:no-such-model"), Choice(model="scriptedx:any")])
def test_an_unknown_price_is_refused(choice: Choice) -> None:
    """No price is not a price of zero: both before and after a call, and the message says what to write where."""
    said = rf"{choice.model} has no price in genai-prices .*routes\.toml.*price = .*free = true"
    with pytest.raises(Misconfigured, match=said):
        prices.worst_case(choice, 100, 100)
    with pytest.raises(Misconfigured, match=said):
        prices.cost(choice, Usage(input=1, output=1))


def test_an_unknown_price_is_refused_also_for_nothing() -> None:
    """A call that used no tokens has no price either."""
    with pytest.raises(Misconfigured):
        prices.cost(UNKNOWN, Usage())


@pytest.mark.parametrize("choice", [FREE, SCRIPTED])
def test_only_what_is_said_to_be_free_costs_nothing(choice: Choice) -> None:
    """A model that routes.toml calls free, and the scripted one."""
    assert prices.worst_case(choice, 10**9, 10**6) == prices.cost(choice, Usage(input=10**6, output=10**6)) == 0
    assert prices.price_version(choice) == "free"


def test_a_declared_price_counts() -> None:
    """Micro-dollars per million tokens, for input and output apart; the record says which price it was."""
    assert prices.cost(OWN, Usage(input=1_000_000, output=0)) == 3_000_000
    assert prices.cost(OWN, Usage(input=0, output=1_000_000)) == 15_000_000
    assert prices.price_version(OWN) == "routes 3000000/15000000"


def test_a_declared_price_goes_before_the_list() -> None:
    """Who writes a price means it."""
    own = Choice(model=LISTED.model, price=Price(input=1, output=1))
    assert prices.cost(own, Usage(input=1_000_000, output=1_000_000)) == 2


def test_a_fraction_is_rounded_up() -> None:
    """A single token of a cheap model costs one micro-dollar, not none."""
    cheap = Choice(model="corner:shop", price=Price(input=1, output=1))
    assert prices.cost(cheap, Usage(input=1, output=0)) == 1
    assert prices.cost(OWN, Usage(input=1, output=0)) == 3


def test_the_list_knows_a_real_model() -> None:
    """A listed model costs something, and the record names list and version."""
    assert prices.cost(LISTED, Usage(input=1_000_000, output=1_000_000)) > 1_000_000
    assert prices.price_version(LISTED).startswith("genai-prices ")


def test_cached_input_is_cheaper_than_fresh_input() -> None:
    """A cache that is read lowers the cost of a listed model."""
    fresh = prices.cost(LISTED, Usage(input=1_000_000, output=0))
    assert 0 < prices.cost(LISTED, Usage(input=1_000_000, output=0, cache_read=1_000_000)) < fresh


@given(tokens_in=TOKENS, tokens_out=TOKENS, spare=st.integers(0, 1_000_000))
@pytest.mark.parametrize("choice", [LISTED, OWN], ids=lambda choice: choice.model)
def test_the_worst_case_covers_every_reply(choice: Choice, tokens_in: int, tokens_out: int, spare: int) -> None:
    """Whatever a reply used within the prompt's bytes and its output limit costs no more than was held, and both are whole."""
    held = prices.worst_case(choice, tokens_in * prices.BYTES_PER_TOKEN, tokens_out + spare)
    cost = prices.cost(choice, Usage(input=tokens_in, output=tokens_out))
    assert isinstance(cost, int)
    assert 0 <= cost <= held


@given(one=TOKENS, two=TOKENS)
def test_more_tokens_never_cost_less(one: int, two: int) -> None:
    """Rounding never turns the order around."""
    few, many = sorted((one, two))
    for choice in (LISTED, OWN):
        assert prices.cost(choice, Usage(input=few, output=few)) <= prices.cost(choice, Usage(input=many, output=many))


def test_the_smallest_call_holds_something() -> None:
    """Also an empty prompt reserves money before it is sent."""
    assert prices.worst_case(OWN, 0, 1) > 0
    assert prices.worst_case(LISTED, 0, 1) > 0
