"""Retry activities during an outage of the ledger or of a worker's disk, which must not count as a failure of the work."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from contracts.errors import DiskUnavailable, LedgerUnavailable
from contracts.runs import Request
from workflows.kit import disk_outage
from workflows.kit.cancellation import not_cancelled
from workflows.kit.options import OUTAGE
from workflows.kit.run import Run

R = TypeVar("R")
Q = TypeVar("Q", bound=Request)


async def outlasting(run: Run, method: Callable[[Any, Q], Coroutine[Any, Any, R]], sent: Q, summary: str, **options: Any) -> R:
    """Run one activity; start it again for up to `OUTAGE` if it ended only because ledger or disk are unavailable."""
    ends, full = workflow.now() + OUTAGE, 0
    # A new activity, not more attempts: the policy's attempts are for failures of the work itself.
    while True:
        try:
            done: R = await workflow.execute_activity_method(method, sent, summary=summary[:200], **options)
        except ActivityError as error:
            away = _away(error)
            if away is None or workflow.now() > ends:
                raise
            not_cancelled()
            if away is not None and away.type == DiskUnavailable.__name__:
                full += 1
                await disk_outage.wait(run, summary, away.message, full)
            else:
                run.tell(f"waits for the ledger: {summary}", str(error.cause))
        else:
            if full:
                await disk_outage.over(run, summary)
            return done


def _away(error: ActivityError) -> ApplicationError | None:
    """The error of what is away; None if the work itself has failed."""
    found = error.cause
    known = (LedgerUnavailable.__name__, DiskUnavailable.__name__)
    return found if isinstance(found, ApplicationError) and found.type in known else None
