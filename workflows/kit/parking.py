"""Calls that a ceiling refused, in this workflow and its children: which wait, what wakes them, and whether the run stopped.

A refused call was never made. It waits for a nudge, the end of the period or the back-off, and is then repeated with the same
key. So a raised ceiling takes effect even if no nudge arrives; a nudge only makes it quicker.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from contracts.base import Contract
from contracts.errors import ContractViolation, Refused
from contracts.money import CeilingRefused, resets_at
from contracts.text import amount_that
from workflows.kit.messages import bare, only_object, read_switch
from workflows.kit.run import Run

C = TypeVar("C", bound=Contract)

MOST = 2**62
"""Largest amount in micro-dollars; the ledger stores 64-bit integers."""

DAY, MONTH = timedelta(days=1), timedelta(days=31)

WAITING_LIMIT = 1000
"""Most waiting steps that the root keeps; more than a run can have children."""


class Parked(Contract, name="parked/1"):
    """From a child to its root: one of its steps waits for money, or (`refused` None) no longer does."""

    path: str
    refused: CeilingRefused | None = None


class Halted(Contract, name="halted/1"):
    """From the root to its children: the run stops."""

    reason: str


class Parking:
    """The steps that wait for money. `woken` counts nudges (`passed_down` of them reached the children); `stopped` is why the
    run stops, "" while it does not.
    """

    def __init__(self, run: Run) -> None:
        self.refused: dict[str, CeilingRefused] = {}
        self.woken = 0
        self.passed_down = 0
        self.stopped = ""
        self._run = run
        workflow.set_signal_handler("nudge", bare(self._guarded("nudge", self._nudge)))
        workflow.set_signal_handler("parked", bare(self._guarded("parked", self._parked)))
        workflow.set_signal_handler("halted", bare(self._guarded("halted", self._halted)))
        workflow.set_update_handler("nudge", bare(self._on_update()))

    def wake(self) -> None:
        """Wake all waiting steps: there may be room."""
        self.woken += 1

    def waits(self, path: str, refused: CeilingRefused) -> None:
        """Record that a step waits. If the run has stopped, wake it instead: it may not have heard of the stop."""
        if self.stopped:
            self.wake()
        # Bounded, because anybody can send the signal that leads here.
        elif path in self.refused or len(self.refused) < WAITING_LIMIT:
            self.refused[path] = refused

    def left(self, path: str) -> None:
        """Forget the steps of a child that has ended, and wake the others: it may have released enough for one of them."""
        for there in [one for one in self.refused if one == path or one.startswith(f"{path}/")]:
            del self.refused[there]
        if self.refused:
            self.wake()

    def stop(self, reason: str) -> None:
        """Stop the run: waiting steps end, and nothing new starts."""
        self.stopped = reason
        self.refused.clear()
        self.wake()

    def _nudge(self, args: tuple[Any, ...]) -> None:
        read_switch("nudge", args)
        self.wake()

    def _parked(self, args: tuple[Any, ...]) -> None:
        said = _read(Parked, "parked", args)
        if said.refused is None:
            self.refused.pop(said.path, None)
            return
        if (wrong := self._not_ours(said.path, said.refused)) is not None:
            raise Refused(f"parked is for a run's own workflows, and this is not what they send: {wrong}")
        self.waits(said.path, said.refused)

    def _not_ours(self, path: str, refused: CeilingRefused) -> str | None:
        """Why no child of this run can have sent this; None if one can. Anybody may send the signal, and it opens a gate."""
        run, scope = self._run, refused.scope
        if not any(path == child or path.startswith(f"{child}/") for child in run.children.values()):
            return f"no child of it works at {path!r:.200}"
        if not all(0 <= number <= MOST for number in (refused.ceiling, refused.spent, refused.held, refused.wanted)):
            return "its numbers are not amounts of money"
        own = f"run:{run.ref.trace}"
        if scope == own or scope.startswith(f"{own}/"):
            return None
        ends = _period_ends(scope)
        if ends is None or not workflow.now() - DAY < ends <= workflow.now() + MONTH:
            return f"{scope!r:.200} is not one of its ceilings now"
        return None

    def _halted(self, args: tuple[Any, ...]) -> None:
        self.stop(_read(Halted, "halted", args).reason)

    def _guarded(self, name: str, take: Callable[[tuple[Any, ...]], None]) -> Callable[..., None]:
        def handle(*args: Any) -> None:
            try:
                take(args)
            except Refused as error:
                self._run.inbox.refuse(name, args, str(error), "signal")

        return handle

    def _on_update(self) -> Callable[..., Any]:
        async def handle(*args: Any) -> str:
            try:
                self._nudge(args)
            except Refused as error:
                self._run.inbox.refuse("nudge", args, str(error), "update")
                raise ApplicationError(str(error), type="Refused", non_retryable=True) from None
            waiting = len(self.refused)
            return amount_that(waiting, "step", "retries", "retry") if waiting else "nothing waits for money"

        return handle


def _period_ends(scope: str) -> datetime | None:
    """When the period of a shared ceiling ends; None if the scope is not one."""
    try:
        return resets_at(scope)
    except (LookupError, ValueError, OverflowError):
        return None


def _read(kind: type[C], name: str, args: tuple[Any, ...]) -> C:
    try:
        return kind.model_validate(only_object(name, args))
    except (ContractViolation, ValueError) as error:
        raise Refused(f"{name} is for a run's own workflows, and this is not what they send: {error}") from None
