"""What a reply is charged: by its tokens and the price of who answered, or by what the provider says that it costs. Pure."""

import re
from dataclasses import dataclass

from activities.money import prices
from activities.money.prices import Tariff
from activities.turns import lines
from activities.turns.call import Started
from contracts.conversation import ModelReply, StatedCost, Usage
from contracts.runs import Note
from contracts.text import one_line

_DATED = re.compile(r"[-@:_](?:\d{4}|\d{6}|\d{8}|\d{4}-\d\d-\d\d|\d\d-\d\d|\d\d-\d{4}|latest)")
FEWEST = 8
"""A call's estimate is hardly ever so many times its real tokens: it counts half a token for a letter and one for any other
byte. A count below that is not believed."""

_ROUNDING = 2
"""Micro-dollars that two ways of counting one call may differ by: each rounds up."""


@dataclass(frozen=True)
class Bill:
    """What is charged. `cost` None: all that was held. `counted`: the tokens are believed; `tariff` is what they cost."""

    cost: int | None
    counted: bool
    tariff: Tariff
    by_tokens: int | None
    """What the call costs by its tokens and price, whatever is charged; None if the tokens are not believed."""


def billed(started: Started, reply: ModelReply) -> Bill:
    """What this reply is charged: never more than was held for it, because no ceiling has room for more."""
    cost = by_tokens = prices.charge(started.tariff, started.most, reply.usage)
    counted, tariff = cost is not None, started.tariff
    if counted and reply.usage is not None and started.answered_by is not None:
        tariff = started.answered_by
        by_tokens = tariff.cost(reply.usage)
        cost = min(by_tokens, started.tariff.worst_case(started.most))
    return Bill(_or_stated(cost, started, reply.stated), counted, tariff, by_tokens)


def charged(started: Started, usage: Usage | None, stated: StatedCost | None) -> int | None:
    """What a refused reply is charged that has used and costs this; None if it says neither, or nothing that is believed."""
    return _or_stated(prices.charge(started.tariff, started.most, usage), started, stated)


def at_most(started: Started, usage: Usage | None, *, whole: bool) -> int | None:
    """The most that a call can have cost whose reply was lost, by what had been counted until then; None: all that was held.

    Unless `whole`, the model may have written more than has come: its output counts as the most that was allowed.
    """
    # Fewer tokens than any text has per byte are no count, but what a gateway writes where it has none.
    if usage is None or usage.input * FEWEST < started.most.input - prices.HIDDEN_TOKENS:
        return None
    if whole:
        return prices.charge(started.tariff, started.most, usage)
    output = max(usage.output, started.most.output)
    ways = [usage.model_copy(update={"output": output, "reasoning": reasoning}) for reasoning in (0, output)]
    costs = [prices.charge(started.tariff, started.most, one) for one in ways]
    return None if None in costs else max(one for one in costs if one is not None)


def _or_stated(cost: int | None, started: Started, stated: StatedCost | None) -> int | None:
    """What the provider states, where that is the bill, in place of `cost`."""
    if stated is None or not stated.bill:
        return cost
    return min(stated.usd_micros, started.tariff.worst_case(started.most))


def notes(started: Started, reply: ModelReply, bill: Bill) -> list[Note]:
    """Feed lines about a model that answers under another name, and about a cost that is not what was counted."""
    asked, found = started.choice.model, []
    if asked.startswith("scripted:"):
        return []
    if renamed(started.choice.model_name, reply.model):
        answered = one_line(reply.model, 200)
        same = "its tokens are charged by the price of the model that was asked"
        by = f"its tokens are charged by the price of {answered} ({bill.tariff.version})"
        found.append(lines.answered_as(asked, answered, same if started.answered_by is None else by))
    stated = reply.stated
    if stated is None or bill.by_tokens is None or not _differ(stated.usd_micros, bill.by_tokens):
        return found
    following = f'correct the price in routes.toml, [prices."{asked}"]'
    if stated.bill:
        following = "what the provider states is charged, up to what was held for the call"
    return [*found, lines.cost_differs(asked, stated.usd_micros, bill.by_tokens, following)]


def renamed(asked: str, answered: str) -> bool:
    """Whether another model answered than was asked for. The same one with a date or its vendor is no other."""
    one, other = _bare(asked), _bare(answered)
    shorter, longer = sorted((one, other), key=len)
    return not (longer.startswith(shorter) and (longer == shorter or _DATED.fullmatch(longer[len(shorter) :])))


def _bare(model: str) -> str:
    """A model's name without the vendors and folders before it."""
    return model.strip().lower().rpartition("/")[2]


def _differ(stated: int, counted: int) -> bool:
    """Whether the two are more than a fifth apart, of what was counted."""
    return abs(stated - counted) > max(_ROUNDING, counted // 5)
