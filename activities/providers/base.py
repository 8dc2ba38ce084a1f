"""The interface of a provider, and the one table that says what each kind of error means."""

from datetime import timedelta
from typing import Literal, Protocol, Self

from contracts.conversation import ModelReply, ModelRequest, StatedCost, Usage
from contracts.errors import BatonError

ENDPOINTS = {"anthropic": "https://api.anthropic.com", "openai": "https://api.openai.com/v1"}
"""Where the providers are that are reached over a network, unless a setting says otherwise."""

ErrorKind = Literal[
    "rate_limited",
    "overloaded",
    "server",
    "timeout",
    "connection",
    "cut",
    "not_json",
    "drift",
    "bad_request",
    "filtered",
    "unsupported",
    "authentication",
    "credit",
    "permission",
    "not_found",
    "too_large",
    "no_script",
]

Recovery = Literal["retry", "next_choice", "permanent"]
"""`retry`: the same call may work later. `next_choice`: not with this model, but perhaps with another. `permanent`: never."""

RECOVERIES: dict[ErrorKind, Recovery] = {
    "rate_limited": "retry",
    "overloaded": "retry",
    "server": "retry",
    "timeout": "retry",
    "connection": "retry",
    "cut": "retry",
    "not_json": "retry",
    "drift": "next_choice",
    # About this model or this endpoint, never about the step.
    "bad_request": "next_choice",
    "filtered": "next_choice",
    "unsupported": "next_choice",
    "authentication": "next_choice",
    "credit": "next_choice",
    "permission": "next_choice",
    "not_found": "next_choice",
    "too_large": "next_choice",
    "no_script": "permanent",
}

MAYBE_CHARGED: frozenset[ErrorKind] = frozenset({"timeout", "cut", "not_json", "drift"})
"""Errors after which the provider may have done the work: what they say of it is charged, or else the whole reservation."""


class ProviderError(BatonError):
    """A model call failed. `kind` says how, `retry_after` how long the provider wants to be left alone (None: it did not say).

    `should_retry` is False if the provider said that a retry is useless: then the next choice is due at once. `billed` is
    True if the provider reported usage with its error, False if it surely billed nothing, None where the kind decides. `fact`
    is the message without what to do next, `words` what the provider said itself, `advice` what to do where that is more than
    the kind says.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        retry_after: timedelta | None = None,
        status: int | None = None,
        should_retry: bool = True,
        billed: bool | None = None,
        fact: str = "",
        words: str = "",
        advice: str = "",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after
        self.status = status
        self.should_retry = should_retry
        self.billed = billed
        self.fact = fact or message
        self.words = words
        self.advice = advice
        self.asked = True
        """False if the call never left this worker: then it says nothing about the model."""
        self.usage: Usage | None = None
        """What the refused reply has used, if it says so: it is charged by that and not in full."""
        self.stated: StatedCost | None = None
        """What the provider says that the refused reply costs."""

    def having_used(self, usage: Usage | None, stated: StatedCost | None) -> Self:
        """The same error, with what its reply has used and costs, as far as that is believed."""
        self.usage, self.stated = usage, stated
        return self

    @property
    def recovery(self) -> Recovery:
        """What to do next, from the one table. A provider that asks for no retry gets none."""
        recovery = RECOVERIES[self.kind]
        return "next_choice" if recovery == "retry" and not self.should_retry else recovery

    @property
    def maybe_charged(self) -> bool:
        """True if the provider may bill this attempt although it failed."""
        return self.kind in MAYBE_CHARGED if self.billed is None else self.billed

    def for_good(self, times: int) -> "ProviderError":
        """The same as a refusal: the endpoint has answered so `times` times, and will however long one waits.

        Without what it has cost, which is settled.
        """
        text = (
            f"{self.fact}. It has answered this call the same way {times} times in a row, so it counts as refused. "
            "The next model in the route is asked; see the endpoint's own log for what it cannot read."
        )
        return ProviderError("bad_request", text, status=self.status, words=self.words)


class Provider(Protocol):
    """One model endpoint. `complete` asks once: no retries of its own, no state between calls."""

    name: str

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The model's reply. Raises `ProviderError`, and nothing else, if there is none."""
        ...

    async def close(self) -> None:
        """Give back connections. Safe to call twice."""
        ...
