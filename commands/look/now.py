"""What only Temporal knows of the runs that a command shows: gone ones, what is under way, unrecorded, stuck, refused ones."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.asking import MOST, asked
from commands.look.pending import Pending, as_json, pending
from commands.output import Out, safe

if TYPE_CHECKING:
    from temporalio.client import Client

    from commands.doctor.stuck import Stuck
    from commands.refused_starts import RefusedStarts
    from commands.unrecorded import Unrecorded
    from ledger.db import Ledger
    from ledger.gone import Known
    from ledger.views.runs import Listed


@dataclass(frozen=True)
class Now:
    """Temporal's part at this moment. `changed`: the ledger was changed by it. `pending` is by trace."""

    changed: bool = False
    pending: Mapping[str, Sequence[Pending]] = field(default_factory=dict)
    unrecorded: Sequence["Unrecorded"] = ()
    stuck: Sequence["Stuck"] = ()
    refused: Sequence["RefusedStarts"] = ()

    def held_up(self, rows: "Iterable[Listed]") -> "list[HeldUp]":
        """Those of these runs that get nowhere and ask nobody: what fails or is paused, or a wait for a model or for room."""
        found = []
        for row in (row for row in rows if not row.run.has_ended):
            failing = [one for one in self.pending.get(row.run.trace, ()) if one.gets_nowhere]
            # At a gate a person is asked, and a paused run was stopped by one.
            waits = row.run.waiting_for if row.run.state == "working" else ""
            if failing or waits:
                found.append(HeldUp(row.name, row.run.trace, waits, row.run.next, failing))
        return found

    def stuck_of(self, rows: "Iterable[Listed]", *, every: bool) -> "list[Stuck]":
        """Stuck runs: `every` one, or only those of these. The ledger cannot know: their tasks fail before they write to it."""
        # A child that is stuck counts for its run: its id begins with the run's and a dot.
        going = [row.run.workflow_id for row in rows if not row.run.has_ended]
        return [one for one in self.stuck if every or any(f"{one.workflow}.".startswith(f"{run}.") for run in going)]


@dataclass(frozen=True)
class HeldUp:
    """A run that gets nowhere and asks nobody. `waiting_for` is "" where it does not wait.

    `failing` is what is tried again, or is paused in Temporal.
    """

    run: str
    trace: str
    waiting_for: str
    next: str
    failing: Sequence[Pending]

    def lines(self) -> Iterator[str]:
        """Lines for people."""
        if self.waiting_for:
            yield f"{self.run} waits for {safe(self.waiting_for)}; next: {safe(self.next)}"
        now = datetime.now(UTC)
        for one in self.failing:
            yield one.line(now)

    def fields(self) -> dict[str, object]:
        """As JSON fields."""
        named = {name: getattr(self, name) for name in ("run", "trace", "waiting_for", "next")}
        return named | {"failing": as_json(self.failing)}


def told(held_up: "Iterable[HeldUp]", stuck: "Iterable[Stuck]", refused: "Iterable[RefusedStarts]" = ()) -> Iterator[str]:
    """Lines for people about runs that get nowhere, and about starts that came to nothing."""
    for one in held_up:
        yield from one.lines()
    for other in stuck:
        yield from other.lines()
    for starts in refused:
        yield from starts.lines()


async def now(out: Out, ledger: "Ledger", traces: Iterable[str], *, queue: str = "") -> Now:
    """Ask Temporal, and bring the ledger up to date. With `queue` also for unrecorded, stuck and refused runs there.

    Where it does not answer the result is empty, and a note on stderr says so.
    """
    from ledger import gone

    there = ledger.read_now(gone.known, list(traces))[:MOST]
    if not there and not queue:
        return Now()
    return await asked(out, ledger, lambda client: _now(client, ledger, there, queue), Now())


async def _now(client: "Client", ledger: "Ledger", there: "Sequence[Known]", queue: str) -> Now:
    from activities.runs.gone import close_gone, together
    from commands.doctor.stuck import stuck_runs
    from commands.refused_starts import refused_starts
    from commands.unrecorded import running_unrecorded

    compared = await close_gone(client, ledger, there)
    going = [(one, has) for one in there if (has := compared.by_trace[one.trace]).running]
    under_way = await together(going, lambda pair: pending(client, pair[0].workflow_id, pair[1].described))
    return Now(
        changed=compared.changed > 0,
        pending={one.trace: found for (one, _), found in zip(going, under_way, strict=True)},
        unrecorded=[one async for one in running_unrecorded(client, ledger, queue)] if queue else (),
        stuck=await stuck_runs(client) if queue else (),
        refused=await refused_starts(client, ledger, queue) if queue else (),
    )
