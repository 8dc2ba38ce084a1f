"""Asks one model as if its endpoint could do this or that, within a cost limit."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from activities.money.prices import Tariff, charge, estimate
from activities.providers.base import ErrorKind, Provider, ProviderError
from activities.providers.capabilities import Known
from contracts.agents import Choice
from contracts.conversation import ModelReply, ModelRequest, Usage
from contracts.errors import BatonError
from contracts.money import usd

REFUSALS: frozenset[ErrorKind] = frozenset({"bad_request", "unsupported", "drift", "server", "not_json", "too_large"})
"""Errors that may be about the form of the request; llama.cpp answers 500 to a conversation that its template cannot take."""

_PASSING: frozenset[ErrorKind] = frozenset({"rate_limited", "overloaded", "cut"})
_LONGEST_WAIT = timedelta(seconds=30)


class TooDear(BatonError):
    """A call was not made, because it could exceed the cost limit."""


class Purse:
    """What a probe may spend, and has spent, in micro-dollars."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.spent = 0

    def check(self, could_cost: int) -> None:
        """Raises `TooDear` if a call that could cost so much might exceed the limit."""
        if self.spent + could_cost > self.most:
            raise TooDear(f"not asked: it could cost {usd(could_cost)}, and {usd(max(0, self.most - self.spent))} is left")


class Asker:
    """One model. Each call builds a provider with the capabilities that are tried, so that what is sent is what a run sends."""

    def __init__(self, build: Callable[[Known], Provider], choice: Choice, price: Tariff, purse: Purse) -> None:
        self.choice = choice
        self.spent, self.calls = 0, 0
        self.replies: list[ModelReply] = []
        self._build, self._price, self._purse = build, price, purse

    async def ask(self, known: Known, request: ModelRequest) -> ModelReply:
        """The reply. A rate limit or a lost answer is tried once more. Raises `ProviderError` or `TooDear`."""
        try:
            return await self._once(known, request)
        except ProviderError as error:
            if error.kind not in _PASSING or (error.retry_after or timedelta()) > _LONGEST_WAIT:
                raise
            wait = timedelta(seconds=1) if error.retry_after is None else error.retry_after
        await asyncio.sleep(wait.total_seconds())
        return await self._once(known, request)

    async def _once(self, known: Known, request: ModelRequest) -> ModelReply:
        most = Usage(input=estimate(request.model_dump_json().encode()), output=request.max_output_tokens)
        worst = self._price.worst_case(most)
        self._purse.check(worst)
        provider = self._build(known)
        self.calls += 1
        try:
            reply = await provider.complete(request)
        except ProviderError as error:
            if error.maybe_charged:
                self._pay(charge(self._price, most, error.usage), worst)
            raise
        finally:
            await provider.close()
        stated = reply.stated.usd_micros if reply.stated is not None and reply.stated.bill else None
        self._pay(charge(self._price, most, reply.usage) if stated is None else stated, worst)
        self.replies.append(reply)
        return reply

    def _pay(self, cost: int | None, worst: int) -> None:
        paid = worst if cost is None else cost
        self.spent += paid
        self._purse.spent += paid

    def words(self, error: ProviderError) -> str:
        """What the provider said, without whose it is: that stands above the table."""
        head = f"{self.choice.model} at "
        return error.fact.removeprefix(head).partition(": ")[2] if error.fact.startswith(head) else error.fact
