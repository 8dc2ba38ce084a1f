"""What only Temporal knows of the runs that a command shows: gone ones, what is under way, unrecorded and stuck ones."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.asking import MOST, asked
from commands.look.pending import Pending, pending
from commands.output import Out

if TYPE_CHECKING:
    from temporalio.client import Client

    from commands.doctor.stuck import Stuck
    from commands.unrecorded import Unrecorded
    from ledger.db import Ledger
    from ledger.gone import Known


@dataclass(frozen=True)
class Now:
    """Temporal's part at this moment. `changed`: the ledger was changed by it. `pending` is by trace."""

    changed: bool = False
    pending: Mapping[str, Sequence[Pending]] = field(default_factory=dict)
    unrecorded: Sequence["Unrecorded"] = ()
    stuck: Sequence["Stuck"] = ()

    def failing(self) -> Iterator[str]:
        """A line for each activity that has failed and is tried again."""
        now = datetime.now(UTC)
        for one in (one for found in self.pending.values() for one in found if one.failed):
            yield one.line(now)


async def now(out: Out, ledger: "Ledger", traces: Iterable[str], *, queue: str = "") -> Now:
    """Ask Temporal, and bring the ledger up to date. With `queue` also for unrecorded and stuck runs there.

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
    from commands.unrecorded import running_unrecorded

    compared = await close_gone(client, ledger, there)
    going = [(one, has) for one in there if (has := compared.by_trace[one.trace]).running]
    under_way = await together(going, lambda pair: pending(client, pair[0].workflow_id, pair[1].described))
    return Now(
        changed=compared.changed > 0,
        pending={one.trace: found for (one, _), found in zip(going, under_way, strict=True)},
        unrecorded=[one async for one in running_unrecorded(client, ledger, queue)] if queue else (),
        stuck=await stuck_runs(client) if queue else (),
    )
