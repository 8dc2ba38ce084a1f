"""A step that would use, or act on, what came from something condemned fails: its workflow asks a person whether it goes on."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from contracts.condemned import HELD, Held
from ledger import condemnations
from ledger.condemnations import Condemnation


def held_by(found: Sequence[Condemnation]) -> Held:
    """What a workflow is told of these condemnations."""
    return Held(condemnations=tuple(one.id for one in found), whys=tuple(one.told for one in found[:SHOWN]))


SHOWN = 20
"""Most condemnations that are told in words."""


def refusal(found: Sequence[Condemnation], what: str = "") -> ApplicationError:
    """The error of a step that is held: it did nothing. A person decides at a gate `held`."""
    held = held_by(found)
    said = f"{what}: it came from something condemned: {held.told}".removeprefix(": ")
    return ApplicationError(said, held, type=HELD, non_retryable=True, category=ApplicationErrorCategory.BENIGN)


def refuse_held(connection: Connection, trace: str, things: Iterable[str]) -> None:
    """Raise the `ApplicationError` of `refusal` where one of these things, or what it came from, is condemned."""
    if found := condemnations.holding(connection, trace, things):
        raise refusal(found)
