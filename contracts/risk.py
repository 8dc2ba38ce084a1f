"""How risky it is to say yes: one pure function of facts, used at every gate. No model is asked.

A pipeline adds what only it can know as signs, such as a changed Makefile; what they weigh together is decided here.
"""

from collections.abc import Iterable

from pydantic import Field

from contracts.agents import Risk
from contracts.base import Contract
from contracts.text import amount

LEVELS: tuple[Risk, ...] = ("low", "medium", "high")
LOW, MEDIUM, HIGH = range(3)

LARGE_LINES = 400
"""More changed lines than these are more than people read at once."""

LIVE = frozenset({"live", "prod", "production"})
"""Names of environments in which a mistake reaches users."""

_NAMED = 20
"""Names that one reason shows."""


class Sign(Contract):
    """Something that a pipeline knows: how high the risk is at least (0 low, 1 medium, 2 high), and why."""

    level: int = Field(ge=LOW, le=HIGH)
    why: str


class Circumstances(Contract):
    """What is known when a person is asked, or a rule is. Everything has a default: what is not known raises nothing."""

    reversible: str = Field(default="", description="`yes`, `no` or `by ACTION`, as policy has it; empty: nothing happens yet")
    undo: str = Field(default="", description="how it can be undone, in plain words")
    taint: tuple[str, ...] = Field(default=(), description="untrusted sources that flowed in")
    source: str = Field(default="", description="what was made from them, in plain words")
    lines: int = Field(default=0, ge=0, description="lines that change")
    binary: int = Field(default=0, ge=0, description="changed files that are not text")
    environment: str = Field(default="", description="where it takes effect, such as `production`")
    unsupported: int = Field(default=0, ge=0, description="claims without checked evidence")
    degraded: tuple[str, ...] = Field(default=(), description="steps that a fallback did")
    unsure: tuple[str, ...] = Field(default=(), description="who could not do their step, or is not sure of it")
    signs: tuple[Sign, ...] = ()


class Assessed(Contract):
    """A level, and every reason that was weighed."""

    level: Risk
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.level}: {'; '.join(self.reasons)}" if self.reasons else self.level


def risk_of(now: Circumstances) -> Assessed:
    """The risk of saying yes in these circumstances: the highest of what each of them is, with all reasons."""
    found = [*_kind_of_effect(now), *now.signs, *_size(now), *_doubts(now)]
    level = max((one.level for one in found), default=LOW)
    return Assessed(level=LEVELS[level], reasons=tuple(one.why for one in found))


def raised(risk: str, signs: Iterable[Sign]) -> str:
    """A risk that was told as text, with what became known since."""
    before, _, reasons = risk.partition(": ")
    known = [*signs]
    if not known or before not in LEVELS:
        return risk
    level = max(LEVELS.index(before), *(one.level for one in known))
    return str(Assessed(level=LEVELS[level], reasons=tuple(one for one in (reasons, *(sign.why for sign in known)) if one)))


def _kind_of_effect(now: Circumstances) -> Iterable[Sign]:
    if now.undo or now.reversible == "yes":
        yield Sign(level=LOW, why=now.undo or "it can be undone")
    elif now.reversible.startswith("by "):
        yield Sign(level=LOW, why=f"{now.reversible.removeprefix('by ')} undoes it")
    elif now.reversible:
        # What outside text has moved, and nobody can take back, is where an injection does its harm.
        yield Sign(level=HIGH if now.taint else MEDIUM, why="it cannot be undone")
    if now.taint:
        yield Sign(level=LOW, why=f"{now.source or 'outside text flowed in'}: {_named(now.taint)}")
    if now.environment:
        live = now.environment.casefold() in LIVE
        final = bool(now.reversible) and now.reversible == "no"
        yield Sign(level=(HIGH if final else MEDIUM) if live else LOW, why=f"it takes effect in {now.environment}")


def _size(now: Circumstances) -> Iterable[Sign]:
    if now.lines > LARGE_LINES or now.binary:
        yield Sign(level=MEDIUM, why=f"{amount(now.lines, 'line')} changed, or files that are not text")


def _doubts(now: Circumstances) -> Iterable[Sign]:
    if now.unsupported:
        yield Sign(level=MEDIUM, why=f"{amount(now.unsupported, 'claim')} without checked evidence")
    if now.degraded:
        yield Sign(level=HIGH, why=f"a fallback did {_named(sorted(now.degraded))}")
    if now.unsure:
        yield Sign(level=HIGH, why=f"not done, or not sure: {_named(now.unsure)}")


def _named(names: Iterable[str]) -> str:
    all_of_them = tuple(names)
    left = len(all_of_them) - _NAMED
    return ", ".join(all_of_them[:_NAMED]) + (f" and {left} more" if left > 0 else "")
