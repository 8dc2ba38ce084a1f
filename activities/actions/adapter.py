"""What an adapter is: one kind of target, asked before anything is sent to it; and the errors that say what it knows."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from contracts.actions import Receipt
from contracts.errors import BatonError
from contracts.intents import Arguments

Named = Callable[[], Mapping[str, str]]
"""Something that policy says of each type of action. Asked every time, because the policy in force changes."""


def not_named() -> Mapping[str, str]:
    """Every type has the adapter of its own name."""
    return {}


class NotSent(BatonError):
    """The target was not reached, or answered before it was told to act: nothing happened. It is tried again."""


class Unclear(BatonError):
    """The target may have acted, and gave no answer that says so. It is asked before anything is sent again."""


class TargetRefused(BatonError):
    """The target refuses this action for good, and nothing was done. The text has its own words."""


class CannotFind(BatonError):
    """The target has no way of saying whether it has acted. Where that is not known, a person has to find out."""


class Repeatable(CannotFind):
    """The target cannot be asked, and promises to act once per key: what may have been sent is sent again."""


class Adapter(Protocol):
    """One kind of target. All methods are synchronous and run in a thread."""

    @property
    def permanent(self) -> tuple[type[BatonError], ...]:
        """Errors after which the same action can never succeed, and that say that nothing happened."""
        ...

    def find(self, arguments: bytes) -> str | None:
        """Ask the target now; return its id for the effect if it is there already, else None.

        Raises `CannotFind` where the target cannot be asked: what may have been sent is then never sent again.
        """
        ...

    def send(self, arguments: bytes, when: datetime) -> str:
        """Cause the effect and return the target's id for it. `when` is the intent's time, the same for every attempt.

        Raises `NotSent` where certainly nothing happened. After any other error that is not permanent it may have happened.
        """
        ...


class Checks(Protocol):
    """What an adapter of declared targets can do in addition."""

    def check(self, arguments: bytes) -> tuple[str, ...]:
        """What a person should know of where and how it acts, a line each. Asks nobody.

        Raises `Refused` for a target, or anything at it, that the worker's settings do not declare, and `ContractViolation` for
        arguments that are none.
        """
        ...

    def compensation(self, arguments: bytes, receipt: Receipt) -> Arguments | None:
        """The arguments of the action that takes this one back; None if it cannot be taken back."""
        ...
