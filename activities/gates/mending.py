"""Mending what came from something condemned: what takes an executed action back is proposed, declined, or withdrawn."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from contracts.act import Prepared
from contracts.actions import Receipt
from contracts.errors import BatonError, LedgerUnavailable
from contracts.text import one_line
from ledger import actions, condemnations, proposals
from ledger.db import instant
from ledger.views.condemned import Executed, Standing


@dataclass(frozen=True)
class Proposer:
    """Says what takes an action back, by its key: the action as it would be performed. `says` raises where there is none."""

    files: Path
    says: Callable[[Connection, str], Prepared]

    def plan(self, connection: Connection, one: Executed) -> "Planned":
        """What is proposed for an action that has happened, or why nothing is. Only reads."""
        try:
            return Planned(one, self.says(connection, one.effect.key))
        except LedgerUnavailable:
            raise
        except BatonError as error:
            return Planned(one, None, one_line(str(error), 600))


@dataclass(frozen=True)
class Planned:
    """What would take an action back; `prepared` None: nothing can be proposed, and `why`."""

    of: Executed
    prepared: Prepared | None
    why: str = ""

    @property
    def problem(self) -> str:
        """What is not proposed, and why."""
        return f"not proposed for {self.of.effect.key[:12]}: {self.why}"


def plans(connection: Connection, proposer: Proposer, some: Iterable[Executed]) -> list[Planned]:
    """What is still to be proposed: for those that are open, and that policy has something for. Only reads."""
    wanted = [one for one in some if one.open and one.certain and one.taken_back_by and one.compensation is None]
    return [proposer.plan(connection, one) for one in wanted]


def propose(connection: Connection, proposer: Proposer, standing: Standing) -> list[Planned]:
    """Write what takes back the open actions of a condemnation as proposed actions, each once; returns all that was planned.

    Safe to call twice. The caller tells the feed about condemnations.
    """
    planned = plans(connection, proposer, standing.reach.left)
    for one in planned:
        if one.prepared is not None:
            made = one.prepared
            proposals.put(connection, proposer.files, made.intent, made.arguments.encode(), one.of.effect.key)
    return planned


def decline(connection: Connection, key: str, by: str, why: str) -> list[str]:
    """Decline a proposal that nobody has begun; the keys of the actions that stay as they are. Safe to call twice.

    Raises as `proposals.open_one`.
    """
    said, row = f"declined by {by}: {why}", actions.get(connection, key)
    if (row.state, row.reason) != ("declined", said):
        row = proposals.open_one(connection, key)
        receipt = Receipt(key=row.key, type=row.type, state="declined", summary=row.summary, how="person", problem=said)
        proposals.end(connection, row, receipt.model_copy(update={"at": instant(connection)}))
    return proposals.undone_by(connection, row)


def withdraw(connection: Connection, undone: Sequence[str], why: str) -> int:
    """Withdraw proposals that nobody has begun and no condemnation needs any more, by what they take back; how many."""
    needless = [key for key in undone if not _is_needed(connection, key)]
    return proposals.withdraw(connection, needless, why)


def _is_needed(connection: Connection, key: str) -> bool:
    """True while a condemnation that reaches this action waits for what becomes of it."""
    others = condemnations.reaching(connection, [key])
    return any(key not in condemnations.remedies(connection, one.id) for one in others)
