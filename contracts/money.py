"""Ceilings: how much may be spent, by whom, until when; and how a refused call is reported."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from contracts.base import Contract, Input, PerMille

Level = Literal["run", "slice", "agent", "month"]
"""What a ceiling bounds: one run, a child's part of it, an agent in a UTC day, the system in a UTC month."""

# Whole numbers: sums of floats depend on their order, and a ceiling is compared exactly.
MICROS = 1_000_000

LEAST = Decimal(1) / MICROS
"""The smallest amount that is counted."""


def too_small(amount: Decimal) -> str:
    """Why an amount above zero would count as none; "" if it does not."""
    return f"the smallest amount is {LEAST:f}" if 0 < amount < LEAST else ""


def _countable(amount: Decimal) -> Decimal:
    if why := too_small(amount):
        raise ValueError(why)
    return amount


Usd = Annotated[Decimal, Field(gt=0, le=1_000_000_000), AfterValidator(_countable)]


class Levels(Input):
    """Hard limits in US dollars. None: not set; a paid model then does not start."""

    run_usd: Usd | None = Field(default=None, description="most that one run may cost; an input may name its own")
    agent_day_usd: Usd | None = Field(
        default=None, description="most that one agent, all its versions and runs, may cost in a day"
    )
    month_usd: Usd | None = Field(default=None, description="most that everything may cost in a month")


class Ceilings(Levels):
    """The table `[ceilings]` of baton.toml: three levels for everything, further ones per project, and a monthly projection.

    `projection` says what happens when the month's spend, extrapolated at its pace so far, exceeds `month_usd`. Nothing is
    projected before `projection_after` of the month has passed.
    """

    projects: dict[str, Levels] = Field(default_factory=dict, description="further limits for what one project spends")
    kept_back: PerMille = Field(
        default=200, description="per mille of a run's ceiling for its coordinator, tester and synthesis"
    )
    projection: Literal["refuse", "alert", "off"] = Field(
        default="refuse", description="what happens to new runs if the month is projected to exceed month_usd"
    )
    projection_after: timedelta = Field(
        default=timedelta(days=3), description="nothing is projected before this much of a month"
    )

    def run_default(self, project: str) -> Decimal | None:
        """The ceiling of a run that names none."""
        own = self.projects.get(project)
        return self.run_usd if own is None or own.run_usd is None else own.run_usd


def micros(dollars: Decimal) -> int:
    """Dollars as micro-dollars, rounded down."""
    # Down, so that no ceiling comes out above what was typed.
    return int(dollars * MICROS)


def usd(amount: int) -> str:
    """Micro-dollars as dollars for people: $1.50, $0.000012."""
    digits = 4 if amount == 0 or abs(amount) >= 100 else 6  # a small amount must not read as zero
    return f"${amount / MICROS:,.{digits}f}".removesuffix("00")


class Part(Contract, brief=True):
    """A child's share of what its parent may spend: one of `among` equal ones, given back when the child ends."""

    group: str = Field(description="path of the fan-out that it is a child of")
    name: str
    among: int
    kept_back: PerMille = Field(default=0, description="share of the parent's ceiling for what comes after the children")


class CeilingRefused(Contract, name="ceiling_refused/1", brief=True):
    """A call that a ceiling refused: it was not made and nothing was held for it. Money in micro-dollars."""

    scope: str = Field(description="id of the ceiling, such as `month:2026-11`")
    ceiling: int
    spent: int = 0
    held: int = 0
    wanted: int = Field(description="the most that the call could cost")
    why: str = Field(default="", description="which part of the rest is promised, and to whom")
    agent: str = ""
    model: str = ""
    resets_at: datetime | None = Field(default=None, description="when its period ends; None: it has none")

    @property
    def numbers(self) -> str:
        """The ceiling, what is spent and what is held."""
        return f"{self.scope}: the ceiling is {usd(self.ceiling)}, {usd(self.spent)} is spent and {usd(self.held)} held"

    @property
    def text(self) -> str:
        """The refusal as people read it."""
        return f"{self.numbers}; {self.why}the call could cost {usd(self.wanted)} and was not made"

    @property
    def shared(self) -> bool:
        """True if several runs share it: then it is raised for all of them and not at one run's gate."""
        return level_of(self.scope) in ("agent", "month")


def slice_of(trace: str, parts: Sequence[Part]) -> str:
    """The scope id of the innermost of these parts."""
    return "/".join([f"run:{trace}", *(f"{part.group}/{part.name}" for part in parts)])


def level_of(scope: str) -> Level:
    """The level that a scope id belongs to."""
    # run:TRACE, run:TRACE/GROUP/CHILD, agent:NAME:DAY, month:MONTH; the last two also behind project:NAME:
    name = scope.split(":")[2] if scope.startswith("project:") else scope.split(":")[0]
    if name == "run":
        return "slice" if "/" in scope else "run"
    return "agent" if name == "agent" else "month"


def resets_at(scope: str) -> datetime | None:
    """When a scope's period ends and the next one begins with its own ceiling. None for a run, which has no period."""
    if level_of(scope) in ("run", "slice"):
        return None
    period = scope.rsplit(":", 1)[1]
    if level_of(scope) == "agent":
        return datetime.strptime(period, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    year, month = (int(part) for part in period.split("-"))
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)  # December is followed by January of the next year
