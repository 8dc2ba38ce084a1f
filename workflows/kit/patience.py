"""Work whose tries are used up is a person's matter: they say when it is tried again, or that the run ends."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from workflows.kit.ends import INPUT_REFUSED, cause_of
from workflows.kit.kit import Kit
from workflows.kit.stuck import stuck_gate, try_again

T = TypeVar("T")


async def patiently(kit: Kit, title: str, work: Callable[[], Awaitable[T]]) -> T:
    """What the work gives. Where it fails and another try may help, gate `stuck` asks; approved, it is done again.

    A refused input fails as it is: it would be refused again. Raises `Ended` where the person ends the run.
    """
    while True:
        try:
            return await work()
        except ActivityError as error:
            cause = error.cause
            refused = isinstance(cause, ApplicationError) and cause.type == INPUT_REFUSED
            if refused or is_cancelled_exception(error):
                raise
            await try_again(kit, stuck_gate(title, (cause_of(error),)), "try it again")
