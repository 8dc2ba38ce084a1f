"""The feed lines of one workflow: numbered, committed by activities, and written once however often the story runs."""

from collections.abc import Mapping, Sequence

from temporalio import workflow

from contracts.base import digest_of
from contracts.notices import Occasion
from contracts.runbooks import AlertKind, marked
from contracts.runs import Importance, Note, RunRef
from workflows.kit.bounds import cut

FEED_LIMIT = 200
"""Lines that the query `feed` returns; the ledger has them all."""


class Lines:
    """Lines wait here until an activity commits them.

    While a continued run's story catches up, it produces the previous run's lines again; these are dropped.
    """

    def __init__(self) -> None:
        self.waiting: list[Note] = []
        self.last: list[Note] = []
        self.numbers: dict[str, int] = {}
        self._told: Mapping[str, int] | None = None

    def catch_up(self, told: Mapping[str, int], last: Sequence[Note]) -> None:
        """Start dropping lines, up to these numbers per stage, until `caught_up`."""
        self._told, self.last = told, list(last)

    def caught_up(self, waiting: Sequence[Note]) -> None:
        """Stop dropping: every line from now on is new. `waiting` are lines that were not committed yet."""
        told, self._told = self._told or {}, None
        # A finished step returns at once and does not repeat its lines (a gate's reminder): continue at the old numbers.
        self.numbers |= told
        self.waiting = [*waiting, *self.waiting]

    def is_old(self, stage: str) -> bool:
        """True if the previous run already wrote the next line of this stage. Counts that line."""
        if self._told is None or self.numbers.get(stage, 0) >= self._told.get(stage, 0):
            return False
        self.numbers[stage] = self.numbers.get(stage, 0) + 1
        return True

    def add(
        self,
        run: RunRef,
        stage: str,
        said: tuple[str, str, str],
        *,
        actor: str,
        importance: Importance,
        inputs: tuple[str, ...],
        alert: AlertKind | None = None,
        run_id: str = "",
        tells: Occasion | None = None,
    ) -> Note:
        """Number a line (did, why, next) and queue it. With `run_id` it is written once per run of a chain."""
        number = self.numbers[stage] = self.numbers.get(stage, 0) + 1
        did, why, following = (cut(text, limit) for text, limit in zip(said, (2000, 4000, 2000), strict=True))
        # The text is part of the key: after a reset the same number can be a different line.
        content = digest_of(run_id, actor, did, why, following)[:12]
        line = Note(
            key=marked(f"{run.trace}/{run.path}/{stage}/{number}/{content}", alert),
            at=workflow.now(),
            stage=stage,
            actor=actor,
            did=did,
            why=why,
            next=following,
            importance=importance,
            inputs=inputs,
            tells=tells,
        )
        self.waiting.append(line)
        self.last = [*self.last, line][-FEED_LIMIT:]
        return line

    def take(self) -> tuple[Note, ...]:
        """Take the waiting lines, to be committed by an activity."""
        taken, self.waiting = tuple(self.waiting), []
        return taken

    def give_back(self, taken: Sequence[Note]) -> None:
        """Queue lines again whose activity failed."""
        self.waiting = [*taken, *self.waiting]
