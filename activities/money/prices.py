"""What a call can cost at most, and what it did cost. Integer micro-dollars; an unknown price is refused, never zero.

A call's tariff is fixed when its money is reserved, and the reply is charged by the same one: a price that changes in between
counts from the next call. The first of these counts: `free = true` or `price` of the choice in routes.toml, the table
`[prices."provider:model"]` there, the list of genai-prices under the vendor that serves the model. Who that is, the endpoint's
table says: the same name costs several times as much with one vendor as with another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING

from activities.running.clock import started_at
from contracts.agents import Choice, DatedPrice, Price
from contracts.conversation import Usage
from contracts.errors import Misconfigured
from contracts.programs import PROGRAM, UNMETERED

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, TieredPrices

TABLE = f"genai-prices {version('genai-prices')}"

HIDDEN_TOKENS = 1000
"""Tokens that a provider may add to a prompt unseen: how to call tools and keep to a schema. Really a few hundred."""

_SCALE = 10**12
"""Rates are in this fraction of a micro-dollar per token: prices of a millionth of a cent stay whole numbers."""

_WORDS = b"abcdefghijklmnopqrstuvwxyz \n"


def estimate(prompt: bytes) -> int:
    """An upper bound of a prompt's tokens; `prompt` is the JSON of the whole request, with its tools and answer schema.

    Every byte counts as a token, which is safe while tokens are made of bytes, as all are today. Only lower-case letters,
    spaces and line ends count half: words have three to five of them per token, random ones still two. So the bound is safe
    where tokens are short: digits, base64, brackets, and every script but the Latin one.
    """
    other = len(prompt.translate(None, _WORDS))
    return other + (len(prompt) - other + 1) // 2 + HIDDEN_TOKENS


@dataclass(frozen=True)
class TokenPrice:
    """A price per token. Above `steps[n][0]` input tokens, all tokens cost `steps[n][1]`, as providers bill it."""

    base: int
    steps: tuple[tuple[int, int], ...] = ()

    def at(self, input_tokens: int) -> int:
        """The rate of a call with so many input tokens."""
        return next((rate for above, rate in reversed(self.steps) if input_tokens > above), self.base)

    def most(self, input_tokens: int) -> int:
        """The highest rate of any call with at most so many input tokens."""
        return max([self.base, *(rate for above, rate in self.steps if input_tokens > above)])


@dataclass(frozen=True)
class Tariff:
    """The prices that one call is charged by, and the version of the list that they come from."""

    version: str
    input: TokenPrice
    output: TokenPrice
    cache_read: TokenPrice
    cache_write: TokenPrice
    cache_write_1h: TokenPrice
    reasoning: TokenPrice
    call: int = 0

    def worst_case(self, usage: Usage) -> int:
        """The most that a call of at most this usage can cost: what is reserved for it.

        All input may be written to a cache, which some providers charge more for than plain input. Only the ordinary,
        short-lived cache counts: it is the only one that Baton asks for.
        """
        inputs = max(rate.most(usage.input) for rate in (self.input, self.cache_read, self.cache_write))
        outputs = max(rate.most(usage.input) for rate in (self.output, self.reasoning))
        return _micros(usage.input * inputs + usage.output * outputs + self.call)

    def cost(self, usage: Usage) -> int:
        """What a call with this usage costs, rounded up."""
        hour, reasoning = usage.cache_write_1h, usage.reasoning
        total = (
            (usage.input - usage.cache_read - usage.cache_write) * self.input.at(usage.input)
            + usage.cache_read * self.cache_read.at(usage.input)
            + (usage.cache_write - hour) * self.cache_write.at(usage.input)
            + hour * self.cache_write_1h.at(usage.input)
            + (usage.output - reasoning) * self.output.at(usage.input)
            + reasoning * self.reasoning.at(usage.input)
        )
        return _micros(total + self.call)


def charge(made_by: Tariff, most: Usage, usage: Usage | None) -> int | None:
    """What a call is charged; None if its usage is missing or impossible: it would cost more than the worst case."""
    # Usage above the worst case is impossible; believing it could charge past every ceiling.
    cost = None if usage is None else made_by.cost(usage)
    return None if cost is None or cost > made_by.worst_case(most) else cost


def tariff(choice: Choice, own: Mapping[str, DatedPrice] | None = None, vendors: Mapping[str, str] | None = None) -> Tariff:
    """The tariff of a choice now. Raises `Misconfigured` for a model without a price.

    `own` are the prices of routes.toml; `vendors` says whose prices count at each provider, "" where nobody said: one that is
    not in it is its own vendor.
    """
    if choice.provider == PROGRAM:
        return _of(Price(input=0, output=0), UNMETERED)
    if choice.free or choice.is_person or choice.provider == "scripted":
        return _of(Price(input=0, output=0), "free")
    if choice.price is not None:
        return _of(choice.price, "routes " + "/".join(str(one) for one in choice.price.parts() if one is not None))
    dated = (own or {}).get(choice.model)
    if dated is not None:
        return _of(dated, f"routes.toml {dated.date}")
    return _from_table(choice, (vendors or {}).get(choice.provider, choice.provider))


def sources(own: Mapping[str, DatedPrice]) -> str:
    """Where prices come from, in words: the list, and prices of routes.toml with the newest date."""
    if not own:
        return TABLE
    newest = max(one.date for one in own.values())
    return f"{TABLE}; before it {len(own)} of routes.toml, the newest of {newest}"


def refuse_unknown_vendors(vendors: Mapping[str, str]) -> None:
    """Raise `Misconfigured` if an endpoint's vendor is none that the list has, naming those that it has."""
    from genai_prices.data_snapshot import get_snapshot

    known = sorted(one.id for one in get_snapshot().providers)
    for name, vendor in vendors.items():
        if vendor and vendor not in known:
            raise Misconfigured(f"[providers.{name}]: {TABLE} has no vendor {vendor!r}; it has {', '.join(known)}")


def _of(price: Price, name: str) -> Tariff:
    """A price of routes.toml. What it does not say of a cache costs as plain input."""
    plain = TokenPrice(price.input * 10**6)
    read = plain if price.cache_read is None else TokenPrice(price.cache_read * 10**6)
    write = plain if price.cache_write is None else TokenPrice(price.cache_write * 10**6)
    output = TokenPrice(price.output * 10**6)
    return Tariff(name, plain, output, read, write, write, output)


_listed: dict[tuple[str, str], tuple["ModelPrice", Tariff]] = {}


def _from_table(choice: Choice, vendor: str) -> Tariff:
    if not vendor:
        raise _unsaid(choice)
    # Imported here: the table brings an HTTP client along, and workflows import this module through `Models`.
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, model = get_snapshot().find_provider_model(choice.model_name, None, vendor, None)
    except LookupError:
        raise _unpriced(choice, vendor) from None
    price = model.get_prices(started_at())  # some depend on the day or the hour
    # The list gives the same object until a price changes; only then is the tariff made anew.
    listed = _listed.get((vendor, choice.model_name))
    if listed is None or listed[0] is not price:
        listed = _listed[vendor, choice.model_name] = price, _listed_tariff(choice, vendor, price)
    return listed[1]


def _listed_tariff(choice: Choice, vendor: str, price: "ModelPrice") -> Tariff:
    """A price of the list. Missing prices for a cache or reasoning are those of plain input and output."""
    if price.input_mtok is None or price.output_mtok is None:
        raise _unpriced(choice, vendor)
    plain, output, call = _rate(price.input_mtok), _rate(price.output_mtok), price.requests_kcount
    write = plain if price.cache_write_mtok is None else _rate(price.cache_write_mtok)
    return Tariff(
        version=TABLE,
        input=plain,
        output=output,
        cache_read=plain if price.cache_read_mtok is None else _rate(price.cache_read_mtok),
        cache_write=write,
        cache_write_1h=write if price.cache_write_1h_mtok is None else _rate(price.cache_write_1h_mtok),
        reasoning=output if price.output_reasoning_mtok is None else _rate(price.output_reasoning_mtok),
        call=0 if call is None else _rate(call).base * 1000,
    )


def _rate(price: "Decimal | TieredPrices") -> TokenPrice:
    """US dollars per million tokens, as a rate."""
    if isinstance(price, Decimal):
        return TokenPrice(_scaled(price))
    return TokenPrice(_scaled(price.base), tuple((tier.start, _scaled(tier.price)) for tier in price.tiers))


def _scaled(usd: Decimal) -> int:
    return int((usd * _SCALE).to_integral_value(rounding=ROUND_CEILING))


def _micros(total: int) -> int:
    return -(-total // _SCALE)


def _unpriced(choice: Choice, vendor: str) -> Misconfigured:
    of = "" if vendor == choice.provider else f" for the vendor {vendor}"
    return Misconfigured(f"{choice.model} has no price{of} in {TABLE} and none in routes.toml. Add one there, {_how(choice)}")


def _unsaid(choice: Choice) -> Misconfigured:
    return Misconfigured(
        f"{choice.model} has no price: no vendor is named for its endpoint, and the model's name alone does not tell what it "
        f'costs there. Say vendor = "…" in [providers.{choice.provider}] of baton.toml, or add a price to routes.toml, '
        f"{_how(choice)}"
    )


def _how(choice: Choice) -> str:
    return (
        f'in micro-dollars per million tokens: [prices."{choice.model}"] with date = {datetime.now(UTC):%Y-%m-%d}, '
        "input = … and output = …; or give its choice free = true if it costs nothing"
    )
