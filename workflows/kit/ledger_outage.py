"""Retry activities during a ledger outage, which must not count as a failure of the work."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from contracts.errors import LedgerUnavailable
from contracts.runs import Request
from workflows.kit.cancellation import not_cancelled
from workflows.kit.options import OUTAGE
from workflows.kit.run import Run

R = TypeVar("R")
Q = TypeVar("Q", bound=Request)


async def outlasting(run: Run, method: Callable[[Any, Q], Coroutine[Any, Any, R]], sent: Q, summary: str, **options: Any) -> R:
    """Run one activity; start it again for up to `OUTAGE` if its attempts ended only because the ledger is unavailable."""
    ends = workflow.now() + OUTAGE
    # A new activity, not more attempts: the policy's attempts are for failures of the work itself.
    while True:
        try:
            return await workflow.execute_activity_method(method, sent, summary=summary[:200], **options)
        except ActivityError as error:
            if not _ledger_is_away(error) or workflow.now() > ends:
                raise
            not_cancelled()
            run.tell(f"waits for the ledger: {summary}", str(error.cause))


def _ledger_is_away(error: ActivityError) -> bool:
    return isinstance(error.cause, ApplicationError) and error.cause.type == LedgerUnavailable.__name__
