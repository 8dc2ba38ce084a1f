"""Steps that are unusually large for their agent: an alert in the feed, and by rule a hold before the next call."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from activities.turns import lines
from contracts.conversation import Usage
from contracts.errors import BatonError
from contracts.growth import Growth
from contracts.runs import Note, RunRef
from ledger import growth
from ledger.db import Ledger
from ledger.growth import Usual

FRESH = 60.0
"""Seconds for which a worker caches medians, so that an ordinary call need not read them."""

AT_HAND = 500
"""Most agent versions whose medians a worker caches."""


class GrowthHeld(BatonError):
    """This step is unusually large, and the rule `[growth]` holds it until a person decides. The call was not made."""


@dataclass(frozen=True)
class StepSize:
    """The size of a step: its largest context and all its tokens."""

    context: int = 0
    tokens: int = 0

    def after(self, usage: Usage) -> "StepSize":
        """The same step with one more call."""
        return StepSize(max(self.context, usage.input), self.tokens + usage.input + usage.output)


def size_of(chain: Sequence[Row[Any]]) -> StepSize:
    """The size of a stored conversation."""
    return StepSize(
        max((row.tokens_in for row in chain), default=0),
        sum(row.tokens_in + row.tokens_out for row in chain),
    )


@dataclass(frozen=True)
class Bounds:
    """What is usual for an agent version, and what happens above it."""

    rules: Growth
    usual: Usual

    def over(self, size: StepSize) -> dict[str, str]:
        """The rules that this size breaks, each with a sentence for people."""
        found = {}
        for name, what, now, median in (
            ("context", "a call had {} input tokens", size.context, self.usual.context),
            ("tokens", "the step has used {} tokens", size.tokens, self.usual.tokens),
        ):
            if getattr(self.rules, name) != "off" and median is not None and now > self.rules.multiple * median:
                among = "calls" if name == "context" else "steps"
                more = f"more than {self.rules.multiple} times the median {median} of this agent version's last {among}"
                found[name] = f"{what.format(now)}: {more}"
        return found

    def held(self, size: StepSize) -> str:
        """Why the step is held before its next call; "" where it goes on."""
        return "; ".join(why for name, why in self.over(size).items() if getattr(self.rules, name) == "hold")

    def alerts(self, run: RunRef, actor: str, before: StepSize, usage: Usage) -> list[Note]:
        """The feed lines for what this call made unusual, once per step and rule."""
        # Once: a step that was over the bound before this call has its line already.
        already = self.over(before)
        return [
            lines.unusually_large(run, actor, name, why, held=getattr(self.rules, name) == "hold")
            for name, why in self.over(before.after(usage)).items()
            if name not in already
        ]


class Watch:
    """What is usual, by agent version; read from the ledger at most once a minute for each version."""

    def __init__(self, ledger: Ledger, rules: Growth) -> None:
        self._ledger = ledger
        self._rules = rules
        self._known: dict[str, tuple[float, Bounds]] = {}

    async def bounds(self, agent_digest: str) -> Bounds:
        """The bounds that apply to an agent version now."""
        if self._rules.context == self._rules.tokens == "off":
            return Bounds(self._rules, Usual())
        until, bounds = self._known.get(agent_digest, (0.0, None))
        # A monotonic clock: setting the clock back must not keep old medians for hours.
        if bounds is None or until < time.monotonic():
            bounds = Bounds(self._rules, await self._ledger.read(growth.usual, agent_digest))
            # All at once: whatever is forgotten is read again.
            if len(self._known) >= AT_HAND:
                self._known.clear()
            self._known[agent_digest] = (time.monotonic() + FRESH, bounds)
        return bounds
