"""How an agent version or a pipeline performs: its figures, which add up."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.runs import FINAL
from ledger.figures.charges import Sums
from ledger.figures.samples import Sample

TOKENS = ("tokens_in", "tokens_out", "tokens_cache_read", "tokens_cache_write", "tokens_reasoning")


@dataclass
class Quality:
    """Figures of one agent version or one pipeline.

    `outcomes` counts an agent's steps by outcome (`done`, `unsure`, `could_not`; `nothing`: the run ended before they had an
    output; `open`), and a pipeline's runs by state. Latency and tokens are those of turns; a turn without usage counts in
    `tokens_unknown` and not in `tokens`. `by_person` are turns of people, which have no
    latency. `steps` are those that a model answered, each with its repetition as one, and
    `stepped_up` those of them in which a choice meant for unusable replies or unsure steps answered; one for outages does
    not count. `escalated` counts an agent's steps that ended in one of `GIVEN_UP`, and a pipeline's
    runs that opened a gate of `ESCALATIONS`. `cost` is micro-dollars per ended run, with retried attempts and with what was
    paid outside the period. `unmetered` are turns of agents that may be outside programs: no amount holds what those cost.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    turns: int = 0
    unmetered: int = 0
    cached: int = 0
    by_person: int = 0
    chosen: Counter[str] = field(default_factory=Counter)
    degraded: int = 0
    steps: int = 0
    stepped_up: int = 0
    escalated: int = 0
    retries: int = 0
    tools: int = 0
    runs: int = 0
    runs_with_person: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKENS, 0))
    tokens_unknown: int = 0
    latency: Sample = field(default_factory=Sample)
    cost: Sample = field(default_factory=Sample)
    money: Sums = field(default_factory=Sums)

    @property
    def success(self) -> int | None:
        """Share of ended steps or runs that are done, per mille; None before any has ended."""
        ended = sum(count for name, count in self.outcomes.items() if name in _ENDED)
        return self.outcomes["done"] * 1000 // ended if ended else None

    @property
    def packed(self) -> dict[str, Any]:
        """What there is of it, as JSON can hold it."""
        numbers: dict[str, Any] = {name: getattr(self, name) for name in _NUMBERS}
        numbers |= {name: dict(sorted(getattr(self, name).items())) for name in _COUNTERS}
        numbers |= {name: dict(sorted(getattr(self, name).counts.items())) for name in _SAMPLES}
        numbers["tokens"] = {name: number for name, number in self.tokens.items() if number}
        numbers["money"] = {name: number for name, number in self.money.summed.items() if number}
        return {name: one for name, one in numbers.items() if one}

    def add_packed(self, packed: Mapping[str, Any]) -> None:
        """Count what another one has `packed`."""
        for name, one in packed.items():
            if name in _COUNTERS:
                getattr(self, name).update(one)
            elif name in _SAMPLES:
                getattr(self, name).add_each({int(number): times for number, times in one.items()})
            elif name == "tokens":
                for kind, number in one.items():
                    self.tokens[kind] += number
            elif name == "money":
                self.money.add_sums(one)
            else:
                setattr(self, name, getattr(self, name) + one)


_NUMBERS = (
    *("turns", "unmetered", "cached", "by_person", "degraded", "steps", "stepped_up", "escalated", "retries", "tools"),
    *("runs", "runs_with_person", "tokens_unknown"),
)
_COUNTERS, _SAMPLES = ("outcomes", "errors", "chosen"), ("latency", "cost")
_ENDED = FINAL | {"unsure", "could_not", "nothing"}
