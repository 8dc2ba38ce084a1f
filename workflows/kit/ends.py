"""The ways a run ends early. The frame turns each of them into the run's final state."""

from temporalio.exceptions import ApplicationError, FailureError

from contracts.runs import RunState
from workflows.kit.bounds import cut

INPUT_REFUSED = "InputRefused"
"""Failure type that means: fix the input and start again."""


class Ended(Exception):
    """Ends the run with this state and this reason, which people read. A story uses only `could_not`."""

    def __init__(self, reason: str, state: RunState = "could_not") -> None:
        super().__init__(reason)
        self.state: RunState = state
        self.reason = reason


class Stopped(ApplicationError):
    """Stops the run and keeps its work: a person stopped it at a ceiling, or nobody answered.

    A workflow that does not catch it fails with the reason.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason, type="Stopped", non_retryable=True)
        self.reason = reason


WORDED = frozenset({"Misconfigured", "NotAdmitted", "Refused"})
"""Types of errors whose messages say all that a person needs."""


def cause_of(error: BaseException) -> str:
    """The innermost reason of a failure, for people."""
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    said = str(error)
    if isinstance(error, ApplicationError):
        # Our own are sentences for people already; the name of another one may say what its message does not.
        said = error.message if error.type in WORDED or not error.type else f"{error.message} ({error.type})"
    return cut(said, 4000)


def refusal_of_input(error: BaseException) -> str | None:
    """Why an activity refused the run's input; None if the failure has another cause."""
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    return error.message if isinstance(error, ApplicationError) and error.type == INPUT_REFUSED else None
