"""A line on the run's feed where an activity goes on failing: until it ends, nothing else of it is recorded."""

from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, is_cancelled_exception
from temporalio.worker import ExecuteActivityInput

from activities.running import lines
from activities.running.around import Around, Proceed
from contracts.errors import BatonError, LedgerUnavailable
from contracts.runs import Request
from ledger import feed
from ledger.db import Ledger

WAITS = frozenset({"Leased"})
"""Types of error by which an activity waits until another attempt has let go: no trouble."""


class Retries(Around):
    """Tells of the 2nd, 4th, 8th, … failure of an activity that is tried again. The first is often over by the next attempt."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def around(self, input: ExecuteActivityInput, proceed: Proceed) -> Any:
        """As `Around`."""
        try:
            return await proceed(input)
        except Exception as error:
            info = activity.info()
            request = input.args[0] if input.args else None
            if isinstance(request, Request) and _is_worth_telling(info, error):
                line = lines.tried_again(request.run, info, str(error))
                try:
                    await self._ledger.tx(feed.append, request.run, [line])
                except BatonError as away:
                    # The activity's own error is the one to go by.
                    activity.logger.warning("a failed attempt could not be told on the feed: %s", away)
            raise


def _is_worth_telling(info: activity.Info, error: Exception) -> bool:
    """True for a failure that Temporal answers with another attempt, at the attempts that are told."""
    told = info.attempt >= 2 and info.attempt & (info.attempt - 1) == 0
    policy = info.retry_policy
    last = policy is not None and 0 < policy.maximum_attempts <= info.attempt
    if not told or last or isinstance(error, LedgerUnavailable) or is_cancelled_exception(error):
        return False
    if not isinstance(error, ApplicationError):
        return True
    waits = error.type in WAITS or error.category is ApplicationErrorCategory.BENIGN
    return not (waits or error.non_retryable)
