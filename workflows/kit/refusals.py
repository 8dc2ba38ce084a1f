"""What people sent to one workflow and it did not take, in its order, until that is recorded."""

from typing import Any

from temporalio import workflow

from contracts.base import digest_of
from contracts.gates import Refusal
from workflows.kit.bounds import cut
from workflows.kit.claims import Via
from workflows.kit.messages import text_of

REFUSALS_LIMIT = 200
"""Refusals of one run that are recorded; after that they are only answered."""

REFUSALS_AT_ONCE = 50


class Refusals:
    """Refused by a handler and not by a validator: a validator leaves no trace. Its length is how many wait to be recorded."""

    def __init__(self) -> None:
        self.counted = 0
        """All that there were, also in the runs that this one continues."""
        self._waiting: list[Refusal] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def record(
        self, verb: str, args: tuple[Any, ...], reason: str, via: Via, *, always: bool = False, kept: bool = False
    ) -> None:
        """Queue a refusal for the ledger; only count it where there were too many, unless it has to stand there `always`.

        `kept`: its sender was told that it is kept until its gate opens, and hears nothing of its refusal.
        """
        self.counted += 1
        if self.counted <= REFUSALS_LIMIT or always:
            made = self._made(verb[:100], args, reason, via)
            self._waiting.append(made.model_copy(update={"unheard": kept or via == "signal"}))

    def take(self, *, all_of_them: bool) -> tuple[Refusal, ...]:
        """Those that have not been recorded yet, as many as one request holds, or all of them when nothing comes after it."""
        most = len(self) if all_of_them else REFUSALS_AT_ONCE
        taken, self._waiting = tuple(self._waiting[:most]), self._waiting[most:]
        return taken

    def _made(self, verb: str, args: tuple[Any, ...], reason: str, via: Via) -> Refusal:
        gate, by = text_of(args, "gate"), text_of(args, "by")
        # The same after a reset, for messages that Temporal applies again in their order.
        key = digest_of("refusal", workflow.info().first_execution_run_id, str(self.counted), verb, gate, by, reason)
        return Refusal(key=key, at=workflow.now(), verb=verb, gate=gate, by=by, reason=cut(reason, 1000), via=via)
