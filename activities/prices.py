"""What a call costs at most, and what it did cost. Integer micro-dollars; an unknown price is refused, never zero."""

from decimal import ROUND_CEILING, Decimal
from importlib.metadata import version

from contracts.agents import Choice
from contracts.conversation import Usage
from contracts.errors import Misconfigured

TABLE = f"genai-prices {version('genai-prices')}"
BYTES_PER_TOKEN = 2
"""Reserving assumes that every two bytes of a prompt are a token; real text has three to five."""


def worst_case(choice: Choice, prompt_bytes: int, max_output: int) -> int:
    """The most that a call can cost. Raises `Misconfigured` for a model without a price."""
    return cost(choice, Usage(input=prompt_bytes // BYTES_PER_TOKEN + 1, output=max_output))


def cost(choice: Choice, usage: Usage) -> int:
    """What a call with this usage costs, rounded up. Raises `Misconfigured` for a model without a price."""
    if choice.free or choice.provider == "scripted":
        return 0
    if choice.price is not None:
        return _micros(Decimal(usage.input * choice.price.input + usage.output * choice.price.output) / 1_000_000)
    return _from_table(choice, usage)


def _from_table(choice: Choice, usage: Usage) -> int:
    # Imported here: the table brings an HTTP client along, and workflows import this module through `Models`.
    from genai_prices import Usage as PricedUsage
    from genai_prices import calc_price

    priced = PricedUsage(
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cache_read or None,
        cache_write_tokens=usage.cache_write or None,
    )
    try:
        found = calc_price(priced, model_ref=choice.model_name, provider_id=choice.provider)
    except LookupError:
        raise Misconfigured(
            f"{choice.model} has no price in {TABLE}; give its choice in routes.toml a price "
            "(micro-dollars per million tokens: price = {input = …, output = …}), or free = true"
        ) from None
    return _micros(found.total_price * 1_000_000)


def price_version(choice: Choice) -> str:
    """Which price list a cost was made with, for the record."""
    if choice.free or choice.provider == "scripted":
        return "free"
    return f"routes {choice.price.input}/{choice.price.output}" if choice.price else TABLE


def _micros(value: Decimal) -> int:
    return int(value.to_integral_value(rounding=ROUND_CEILING))
