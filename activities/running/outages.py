"""A ledger outage ends an attempt, not the activity, and costs one log line."""

from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from contracts.errors import LedgerUnavailable


class Outages(Interceptor):
    """Passes `LedgerUnavailable` to Temporal by name and without a traceback, so that workflows can wait for the ledger."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap what comes next."""
        return _Inbound(next)


class _Inbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except LedgerUnavailable as error:
            # A line without a traceback: an outage is no fault of the code, and lasts for many attempts.
            activity.logger.warning("the ledger is unavailable, the activity will be retried: %s", error)
            # By this type workflows know that they have to wait for the ledger. Benign, because the work itself has not
            # failed; and not chained, because the driver's error carries the statement and its values into history.
            raise ApplicationError(
                str(error), type=LedgerUnavailable.__name__, category=ApplicationErrorCategory.BENIGN
            ) from None
