"""What the activity of a model call fails with, as Temporal gets it: retried or not, and what its workflow may read of it."""

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.providers.base import ProviderError
from activities.turns.growth import GrowthHeld
from contracts.away import ModelsAway


def provider_failed(error: ProviderError, *details: ModelsAway) -> ApplicationError:
    """A provider's error under its kind: retried where that can help, as soon as the provider allows it."""
    return ApplicationError(
        str(error),
        *details,
        type=error.kind,
        non_retryable=error.recovery != "retry",
        next_retry_delay=error.retry_after,
    )


def models_away(gone: ModelsAway) -> ApplicationError:
    """Nobody can be asked now: no retry of the activity helps, the workflow waits as long as this says."""
    when = f" before {gone.until:%H:%M:%S} UTC" if gone.patience else ""
    said = f"no model can be asked{when}: {gone.why}"
    return ApplicationError(said, gone, type="ModelsAway", non_retryable=True, category=ApplicationErrorCategory.BENIGN)


def growth_held(error: GrowthHeld) -> ApplicationError:
    """A person decides whether the step goes on; the call was not made, and nothing has failed."""
    return ApplicationError(str(error), type="GrowthHeld", non_retryable=True, category=ApplicationErrorCategory.BENIGN)


def permanent(kind: str, message: str) -> ApplicationError:
    """What no retry and no waiting mends."""
    return ApplicationError(message, type=kind, non_retryable=True)
