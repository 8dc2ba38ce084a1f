"""Follow a run until it ends: print feed lines, gates as they open, and the report."""

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from commands.asking import compared
from commands.errors import Code
from commands.output import Out, quiet, safe
from commands.text import code_of, gate_lines, how_to_answer, tell_line, tell_report, tell_state
from contracts.runs import FINAL
from ledger.views.details import Look, look

if TYPE_CHECKING:
    from temporalio.client import WorkflowHandle

    from ledger.db import Ledger

LOOK_EVERY = 0.3
"""Seconds between two reads of the ledger."""

ASK_EVERY = 10
"""Ledger reads between two requests to Temporal, which alone knows that a run was terminated there."""


@dataclass
class Follower:
    """Follows one run. `handle` says whether Temporal still runs it; None if Temporal cannot be reached."""

    out: Out
    ledger: "Ledger"
    run: str
    trace: str
    handle: "WorkflowHandle[Any, Any] | None"
    seen: set[str] = field(default_factory=set)
    seq: int = 0
    closed_as: str = ""

    async def until_end(self, *, stop_at_gate: bool) -> tuple[Code, dict[str, Any]]:
        """Print what happens until the run ends or, with `stop_at_gate`, a gate is open. Returns exit code and JSON fields."""
        with self.out.waiting("waiting for the next line (Ctrl-C stops watching, not the run)"):
            for number in itertools.count(1):
                now = self.ledger.read_now(look, self.trace, self.seq)
                if now.lines or any(view.gate not in self.seen for view in now.open):
                    with quiet():
                        self._tell(now)
                if now.lines:
                    continue  # there may be more lines; the end is only reported after the last one
                if now.state in FINAL:
                    break
                if stop_at_gate and now.open:
                    return Code.WAITS, {"state": now.state, "gates": [view.gate for view in now.open]}
                # One ledger read after Temporal said so: the final record may have been committed in between.
                if self.closed_as:
                    return await self._closed_elsewhere()
                if number % ASK_EVERY == 0:
                    self.closed_as = await closed_as(self.handle)
                await asyncio.sleep(LOOK_EVERY)
        return self._ended(now)

    def _tell(self, now: Look) -> None:
        for line in now.lines:
            self.seq = line.seq
            if line.importance != "detail" or line.usd_micros or line.outputs:
                tell_line(self.out, line, brief=True)
        for view in now.open:
            if view.gate not in self.seen:
                self.seen.add(view.gate)
                for text in ["", *gate_lines(view, self.run), "  answer with:"]:
                    self.out.note(text)
                for command in how_to_answer(view, self.run):
                    self.out.note(f"    {command}")

    async def _closed_elsewhere(self) -> tuple[Code, dict[str, Any]]:
        """The run has ended in Temporal and not in this ledger: it is recorded here, unless another ledger has the run."""
        if (await compared(self.out, self.ledger, [self.trace])).changed:
            now = self.ledger.read_now(look, self.trace, self.seq)
            self._tell(now)
            return self._ended(now)
        self.out.note(f"{safe(self.run, 1000)} was {self.closed_as} in Temporal, but this ledger has no record of it")
        report = await self.handle.result() if self.handle is not None and self.closed_as == "completed" else None
        if not isinstance(report, dict) or "state" not in report:
            return Code.FAILED, {"state": self.closed_as, "report": None}
        tell_report(self.out, report)
        return code_of(report["state"], report.get("reason", ""), report), {"state": report["state"], "report": report}

    def _ended(self, now: Look) -> tuple[Code, dict[str, Any]]:
        report = now.report or {}
        if report:
            tell_report(self.out, report)
        else:
            tell_state(self.out, f"{safe(self.run, 1000)}: {safe(now.state)}")
        return code_of(now.state, report.get("reason", ""), report), {"state": now.state, "report": report or None}


async def closed_as(handle: "WorkflowHandle[Any, Any] | None") -> str:
    """How Temporal closed the run; "" while it runs or if Temporal cannot be asked."""
    from temporalio.client import WorkflowExecutionStatus
    from temporalio.service import RPCError

    if handle is None:
        return ""
    try:
        status = (await handle.describe()).status
    except (RPCError, ValueError):  # the second is how the SDK answers for a paused workflow, whose status it does not know
        return ""
    return "" if status is None or status is WorkflowExecutionStatus.RUNNING else status.name.lower()
