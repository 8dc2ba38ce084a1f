"""A run's status, its report and how that reads: common to all pipelines, which add fields of their own."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from contracts.actions import Receipt
from contracts.base import Contract, is_empty
from contracts.gates import GateView
from contracts.money import usd
from contracts.runs import RunState
from contracts.text import amount


class RunStatus(Contract, name="run_status/1"):
    """Where a run is now: the answer to the query `status`."""

    run: str
    trace: str
    state: RunState
    stage: str
    waiting_for: GateView | None = None
    did: str = ""
    why: str = ""
    next: str = ""
    spent_micros: int = 0
    ceiling_micros: int = 0
    scripted: bool = False


@dataclass(frozen=True)
class Reading:
    """A report as text: labelled lines, then tables without a heading whose rows are a label and a text.

    Everything in it is shown escaped; a line with an empty text is left out.
    """

    lines: tuple[tuple[str, str], ...] = ()
    tables: tuple[tuple[tuple[str, str], ...], ...] = ()


class Report(Contract):
    """How a run ended. Each pipeline's report adds its own fields, and says in `reading` how they read as text."""

    forms: ClassVar[tuple[str, ...]] = ()
    """What `--as` can print it as, besides text and JSON."""

    pipeline: str = Field(default="", description="workflow type")
    run: str
    trace: str
    state: RunState
    reason: str = ""
    usd_micros: int = 0
    tokens: int = 0
    scripted: bool = Field(default=False, description="no real model took part")
    degraded: tuple[str, ...] = Field(default=(), description="steps that a fallback did, because no model was available")
    unmetered: tuple[str, ...] = Field(
        default=(), exclude_if=is_empty, description="agents that may have been outside programs: what they cost is unknown"
    )
    handed_over: tuple[Receipt, ...] = Field(
        default=(),
        exclude_if=is_empty,
        description="actions that were left to the relay: as they were at the end, and in the ledger as they are now",
    )

    def reading(self) -> Reading:
        """The pipeline's own part, shown between the reason and the cost."""
        return Reading()

    def falls_short(self) -> bool:
        """True if the work was done and what it found is as bad as the input says that it must not be."""
        return False

    @property
    def cost(self) -> str:
        """What the run's whole family cost, in one line."""
        more = f"; and what {', '.join(self.unmetered)} cost as outside programs, which is unknown" if self.unmetered else ""
        return f"{usd(self.usd_micros)}, {amount(self.tokens, 'token')}{more}"
