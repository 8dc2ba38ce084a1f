"""Calls that a ceiling refused, in this workflow and in its children: which they are, what wakes them, and that they stopped.

A refused call was never made. It waits for a nudge, for its period to end, or for a while, and is then asked again with the
same key. Nobody has to be told of a raised ceiling for that; being told only makes it quicker.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from contracts.base import Contract
from contracts.errors import ContractViolation, Refused
from contracts.money import CeilingRefused, resets_at
from workflows.kit.messages import bare, only_object, read_switch
from workflows.kit.run import Run

C = TypeVar("C", bound=Contract)

MOST = 2**62
"""Micro-dollars; the ledger's numbers are of 64 bits."""

DAY, MONTH = timedelta(days=1), timedelta(days=31)

WAITING_LIMIT = 1000
"""Steps of a run family that are known to wait; more than there can be children."""


class Parked(Contract, name="parked/1"):
    """What a child tells the root of its family: that one of its steps waits for money, or (None) does not any more."""

    path: str
    refused: CeilingRefused | None = None


class Halted(Contract, name="halted/1"):
    """What the root tells its children: that the run stops."""

    reason: str


class Parking:
    """Who waits for money. `woken` counts nudges (children know `passed_down` of them), `stopped` says why the run stops."""

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
        """Look again: there may be room."""
        self.woken += 1

    def waits(self, path: str, refused: CeilingRefused) -> None:
        """A step waits. In a run that has stopped it is told so: it may have begun before it could hear of that."""
        if self.stopped:
            self.wake()
        elif path in self.refused or len(self.refused) < WAITING_LIMIT:
            self.refused[path] = refused

    def left(self, path: str) -> None:
        """A child has ended, and with it all its steps. What it gave back may be enough for another."""
        for there in [one for one in self.refused if one == path or one.startswith(f"{path}/")]:
            del self.refused[there]
        if self.refused:
            self.wake()

    def stop(self, reason: str) -> None:
        """Let everything that waits end, and nothing begin."""
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
        """Why no child of this run can have said so; anybody may send a signal, and this one opens a gate."""
        run, scope = self._run, refused.scope
        if not any(path == child or path.startswith(f"{child}/") for child in run.children.values()):
            return f"no child of it works at {path!r:.200}"
        if not all(0 <= number <= MOST for number in (refused.ceiling, refused.spent, refused.held, refused.wanted)):
            return "its numbers are no amounts of money"
        own = f"run:{run.ref.trace}"
        if scope == own or scope.startswith(f"{own}/"):
            return None
        ends = _period_ends(scope)
        if ends is None or not workflow.now() - DAY < ends <= workflow.now() + MONTH:
            return f"{scope!r:.200} is no ceiling of it now"
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
            return f"{len(self.refused)} steps look again" if self.refused else "nothing waits for money"

        return handle


def _period_ends(scope: str) -> datetime | None:
    """When the period of a shared ceiling ends; None for what is no such name."""
    try:
        return resets_at(scope)
    except (LookupError, ValueError, OverflowError):
        return None


def _read(kind: type[C], name: str, args: tuple[Any, ...]) -> C:
    try:
        return kind.model_validate(only_object(name, args))
    except (ContractViolation, ValueError) as error:
        raise Refused(f"{name} is for a run's own workflows, and this is not what they send: {error}") from None
