"""The tier of an action: what policy required for its type when the run started."""

from temporalio.exceptions import ApplicationError

from contracts.actions import Tier
from contracts.pins import Began


def tier_of(began: Began, action: str) -> Tier:
    """The pinned tier. Raises a non-retryable `ApplicationError` for a type that the run did not declare."""
    if began.actions is None:
        return "confirm"  # it started before tiers were pinned, when this was the only one
    tier = began.actions.get(action)
    if tier is None:
        raise ApplicationError(
            f"this run declared no action {action!r}, so nothing was done; add it to `actions` of the pipeline",
            type="NotAllowed",
            non_retryable=True,
        )
    return tier
