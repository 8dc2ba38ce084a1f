"""What is under way of a run, in sentences. What an agent, a model or a tool is called is escaped here."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.output import safe
from commands.text import usd
from contracts.text import amount

if TYPE_CHECKING:
    from ledger.views.steps import UnderWay


def does(one: "UnderWay") -> str:
    """Which step, which agent, and what it waits for."""
    who = f"{safe(one.path, 120)}: {safe(one.agent, 80)}"
    if one.tool:
        return f"{who} runs {safe(one.tool, 80)}"
    again = f", attempt {one.attempts}" if one.attempts > 1 else ""
    return f"{who} asks {safe(one.model, 80)}{again}, {usd(one.held)} held"


def so_far(one: "UnderWay") -> str:
    """How far the call has got, as far as that is known, and what the step's finished calls have used."""
    done = f"the step so far: {amount(one.calls, 'model call')}, {amount(one.tokens, 'token')}"
    if one.tool:
        return done
    far = safe(one.progress.told, 300) if one.progress is not None else "not known yet how far it has got"
    return f"this call: {far}; {done}"


def going_line(one: "UnderWay", now: datetime | None = None) -> str:
    """All of it, with how long it has taken; `now`: by the clock that the ledger goes by (None: this machine's)."""
    seconds = max(int(((now or datetime.now(UTC)) - one.since).total_seconds()), 0)
    took = f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
    quiet = f"; {one.progress.quiet}" if one.progress is not None and one.progress.quiet else ""
    return f"{does(one)}, for {took}; {so_far(one)}{quiet}"
