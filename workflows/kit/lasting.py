"""Activities that outlast the ledger: its being away is no failure of the work."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from contracts.errors import LedgerUnavailable
from contracts.runs import Request
from workflows.kit.cancelling import not_cancelled
from workflows.kit.options import OUTAGE

if TYPE_CHECKING:
    from workflows.kit.kit import Kit

R = TypeVar("R")


async def outlasting(
    kit: "Kit", method: Callable[[Any, Any], Coroutine[Any, Any, R]], sent: Request, summary: str, **options: Any
) -> R:
    """Run one activity, and anew for up to a day while all that ends it is the ledger being away."""
    ends = workflow.now() + OUTAGE
    while True:
        try:
            return await workflow.execute_activity_method(method, sent, summary=summary[:200], **options)
        except ActivityError as error:
            if not _ledger_is_away(error) or workflow.now() > ends:
                raise
            not_cancelled()
            kit.tell(f"waits for the ledger: {summary}", str(error.cause))


def _ledger_is_away(error: ActivityError) -> bool:
    return isinstance(error.cause, ApplicationError) and error.cause.type == LedgerUnavailable.__name__
