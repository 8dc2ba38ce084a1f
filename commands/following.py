"""Watching a run until it ends: its feed as it grows, its gates as they open, its report."""

import asyncio
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from commands.errors import Code
from commands.output import Out, quiet, safe
from commands.telling import code_of, gate_lines, how_to_answer, tell_line, tell_report
from contracts.gates import GateView
from contracts.runs import FINAL, FeedLine
from ledger import feed, gates

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from temporalio.client import WorkflowHandle

    from ledger.db import Ledger

LOOK_EVERY = 0.3
"""Seconds between two looks at the ledger."""

ASK_EVERY = 10
"""Looks at the ledger between two questions to Temporal, which knows of runs that were terminated there."""


@dataclass(frozen=True)
class Look:
    """What the ledger says at one moment, read in one transaction."""

    state: str
    lines: list[FeedLine]
    open: list[GateView]
    report: str


@dataclass
class Follower:
    """Follows one run. `handle` is asked whether the run still exists in Temporal; None where that cannot be known."""

    out: Out
    ledger: "Ledger"
    run: str
    trace: str
    handle: "WorkflowHandle[Any, Any] | None"
    seen: set[str] = field(default_factory=set)
    seq: int = 0
    closed_as: str = ""

    async def until_end(self, *, stop_at_gate: bool) -> tuple[Code, dict[str, Any]]:
        """Tell what happens until the run has ended, or, with `stop_at_gate`, until a gate waits; code and JSON fields."""
        with self.out.waiting(f"{self.run}: waiting for what comes next (Ctrl-C ends the watching, not the run)"):
            for number in itertools.count(1):
                look = self.ledger.read_now(_look, self.trace, self.seq)
                if look.lines or any(view.gate not in self.seen for view in look.open):
                    with quiet():
                        self._tell(look)
                if look.lines:
                    continue
                if look.state in FINAL:
                    break
                if stop_at_gate and look.open:
                    return Code.WAITS, {"state": look.state, "gates": [view.gate for view in look.open]}
                if self.closed_as:
                    return await self._closed_elsewhere()
                if number % ASK_EVERY == 0:
                    self.closed_as = await closed_as(self.handle)
                await asyncio.sleep(LOOK_EVERY)
        return self._ended(look)

    def _tell(self, look: Look) -> None:
        for line in look.lines:
            self.seq = line.seq
            if line.importance == "overview" or line.usd_micros or line.outputs:
                tell_line(self.out, line, brief=True)
        for view in look.open:
            if view.gate not in self.seen:
                self.seen.add(view.gate)
                for text in ["", *gate_lines(view, self.run), "  answer with:"]:
                    self.out.note(text)
                for command in how_to_answer(view, self.run):
                    self.out.note(f"    {command}")

    async def _closed_elsewhere(self) -> tuple[Code, dict[str, Any]]:
        """It is over in Temporal and not in this ledger: terminated by hand, or recorded in another ledger."""
        self.out.note(f"{self.run} was {self.closed_as} in Temporal; this ledger does not say so")
        report = await self.handle.result() if self.handle is not None and self.closed_as == "completed" else None
        if not isinstance(report, dict) or "state" not in report:
            return Code.FAILED, {"state": self.closed_as, "report": None}
        tell_report(self.out, report)
        return code_of(report["state"], report.get("reason", "")), {"state": report["state"], "report": report}

    def _ended(self, look: Look) -> tuple[Code, dict[str, Any]]:
        report: dict[str, Any] = json.loads(look.report) if look.report else {}
        if report:
            tell_report(self.out, report)
        else:
            self.out.line(f"{self.run}: {safe(look.state)}")
        return code_of(look.state, report.get("reason", "")), {"state": look.state, "report": report or None}


def _look(connection: "Connection", trace: str, seq: int) -> Look:
    from sqlalchemy import select

    from ledger.tables import run

    row = connection.execute(select(run.c.state, run.c.result).where(run.c.trace == trace)).first()
    state, report = (row.state, row.result) if row is not None else ("", "")
    return Look(state, feed.after(connection, seq, trace=trace), gates.open_gates(connection, trace=trace), report)


async def closed_as(handle: "WorkflowHandle[Any, Any] | None") -> str:
    """How Temporal says that a run was closed, "" while it runs or where Temporal cannot be asked."""
    from temporalio.service import RPCError

    if handle is None:
        return ""
    try:
        status = (await handle.describe()).status
    except RPCError:
        return ""
    return "" if status is None or status.name in {"RUNNING", "PAUSED"} else status.name.lower()
