"""An outage of the ledger or of this machine's disk is no failure of the work: workflows wait for its end."""

from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ExecuteActivityInput

from activities.running import disk
from activities.running.around import Around, Proceed
from contracts.errors import DiskUnavailable, LedgerUnavailable


class Outages(Around):
    """Passes both to Temporal by name and without a traceback, so that workflows can wait; each costs one log line."""

    async def around(self, input: ExecuteActivityInput, proceed: Proceed) -> Any:
        """As `Around`."""
        try:
            return await proceed(input)
        except LedgerUnavailable as error:
            # A line without a traceback: an outage is no fault of the code, and lasts for many attempts.
            activity.logger.warning("the ledger is unavailable, the activity will be retried: %s", error)
            # By this type workflows know that they have to wait for the ledger. Benign, because the work itself has not
            # failed; and not chained, because the driver's error carries the statement and its values into history.
            raise ApplicationError(
                str(error), type=LedgerUnavailable.__name__, category=ApplicationErrorCategory.BENIGN
            ) from None
        except (DiskUnavailable, OSError) as error:
            away = disk.unavailable(error)
            if away is None:
                raise
            activity.logger.warning("the disk is unavailable, the activity will be started again: %s", away)
            # At once to the workflow, which can say so in the record: unlike the ledger, that is there.
            raise ApplicationError(
                str(away), type=DiskUnavailable.__name__, non_retryable=True, category=ApplicationErrorCategory.BENIGN
            ) from None
