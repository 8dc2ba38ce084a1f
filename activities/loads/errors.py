"""Which errors of a load are nothing that another try would mend, and what is then said."""

from collections.abc import Awaitable
from typing import TypeVar

from temporalio.exceptions import ApplicationError

from activities.files.paths import PathRefused
from activities.loads.parquet import ParquetUnusable
from activities.loads.sources import FileChanged, FileUnusable
from activities.loads.staging import TableUnusable
from activities.loads.tables import Mismatch
from activities.resources import NotDeclared
from contracts.errors import BatonError, ContractViolation, Misconfigured, NotFound, Refused

T = TypeVar("T")

OF_THE_INPUT: tuple[type[BatonError], ...] = (
    *(FileUnusable, ParquetUnusable, TableUnusable, PathRefused, NotDeclared),
    *(Refused, Misconfigured, ContractViolation, NotFound),
)
"""Before anything is loaded these mean: correct the file, the input or the settings, and start again."""

FOR_GOOD: tuple[type[BatonError], ...] = (*OF_THE_INPUT, FileChanged, Mismatch)
"""While rows are loaded these would come again, however often the batch is tried."""


async def of_the_input(work: Awaitable[T]) -> T:
    """Refuse the input for what only its correction helps against."""
    try:
        return await work
    except FOR_GOOD as error:
        raise ApplicationError(str(error), type="InputRefused", non_retryable=True) from None


async def for_good(work: Awaitable[T]) -> T:
    """Make errors that would come again for good, with the text that says what to do."""
    try:
        return await work
    except FOR_GOOD as error:
        raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from None
