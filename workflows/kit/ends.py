"""How a run ends early, and why. A pipeline's frame turns each of these into the run's final state."""

from temporalio.exceptions import ApplicationError, FailureError

from contracts.runs import RunState
from workflows.kit.bounds import cut

INPUT_REFUSED = "InputRefused"
"""The type of a failure that says: correct the input and start again."""


class Ended(Exception):
    """The run ends here with this state and this reason, which people read. Only `could_not` is for a story to say."""

    def __init__(self, reason: str, state: RunState = "could_not") -> None:
        super().__init__(reason)
        self.state: RunState = state
        self.reason = reason


class Stopped(ApplicationError):
    """The run stops here, with everything it has: a person said so at a ceiling, or nobody said anything.

    A workflow that does not catch it fails with the reason.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason, type="Stopped", non_retryable=True)
        self.reason = reason


def cause_of(error: BaseException) -> str:
    """The innermost reason in a failure, as people read it."""
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    said = str(error)
    if isinstance(error, ApplicationError):
        said = f"{error.message} ({error.type})" if error.type else error.message
    return cut(said, 4000)


def refusal_of_input(error: BaseException) -> str | None:
    """Why an activity refused the run's input, which only it could see; None where the failure is about something else."""
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    return error.message if isinstance(error, ApplicationError) and error.type == INPUT_REFUSED else None
