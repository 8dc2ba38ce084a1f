"""Errors of the model call's activity as Temporal gets them: retryable or not, with what the workflow may read."""

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.providers.base import ProviderError
from activities.turns.growth import GrowthHeld
from contracts.away import ModelsAway


def provider_failed(error: ProviderError, *details: ModelsAway) -> ApplicationError:
    """A provider's error, with its kind as type: retried if that can help, as soon as the provider allows it."""
    return ApplicationError(
        str(error),
        *details,
        type=error.kind,
        non_retryable=error.recovery != "retry",
        # None: Temporal's own back-off.
        next_retry_delay=error.retry_after,
    )


def models_away(gone: ModelsAway) -> ApplicationError:
    """No model is available now: a retry of the activity does not help, the workflow waits as long as this says."""
    when = f" before {gone.until:%H:%M:%S} UTC" if gone.patience else ""
    said = f"no model is available{when}: {gone.why}"
    return ApplicationError(said, gone, type="ModelsAway", non_retryable=True, category=ApplicationErrorCategory.BENIGN)


def growth_held(error: GrowthHeld) -> ApplicationError:
    """A person decides whether the step goes on; the call was not made, and nothing has failed."""
    return ApplicationError(str(error), type="GrowthHeld", non_retryable=True, category=ApplicationErrorCategory.BENIGN)


def permanent(kind: str, message: str) -> ApplicationError:
    """An error that neither a retry nor waiting fixes."""
    return ApplicationError(message, type=kind, non_retryable=True)


def not_stored(model: str, said: str) -> ApplicationError:
    """A reply is paid for and the ledger, which is there, does not take it: another attempt would pay for one more."""
    return permanent(
        "NotStored",
        f"{model} has answered and is paid, and the ledger refuses to store the answer: {said}. No other call is "
        "made; see what is wrong with the database (`baton doctor`, its own log), then start the run again",
    )
