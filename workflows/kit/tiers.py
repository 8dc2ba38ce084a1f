"""What it takes for an action to happen in this run: the tier that policy had for its type when the run began."""

from temporalio.exceptions import ApplicationError

from contracts.actions import Tier
from contracts.pins import Began


def tier_of(began: Began, action: str) -> Tier:
    """The pinned tier. Raises a permanent `ApplicationError` for a type that the run did not declare."""
    if began.actions is None:
        return "confirm"  # it began before tiers were pinned, and then there was no other
    tier = began.actions.get(action)
    if tier is None:
        raise ApplicationError(
            f"this run declared no action {action!r}; so nothing was done; add it to `actions` of the pipeline",
            type="NotAllowed",
            non_retryable=True,
        )
    return tier
