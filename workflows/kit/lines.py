"""The feed lines that one workflow makes: numbered, carried by activities, and told once, however often the story runs."""

from collections.abc import Mapping, Sequence

from temporalio import workflow

from contracts.base import digest_of
from contracts.runs import Importance, Note, RunRef
from workflows.kit.bounds import cut

FEED_LIMIT = 200
"""Lines that the query `feed` answers; the ledger has them all."""


class Lines:
    """Lines wait here for an activity to carry them.

    While a continued run's story catches up, lines that the run before it made are made once more and dropped.
    """

    def __init__(self) -> None:
        self.waiting: list[Note] = []
        self.last: list[Note] = []
        self.numbers: dict[str, int] = {}
        self._told: Mapping[str, int] | None = None

    def catch_up(self, told: Mapping[str, int], last: Sequence[Note]) -> None:
        """Drop lines from now on, up to these numbers of each stage, until `caught_up`."""
        self._told, self.last = told, list(last)

    def caught_up(self, waiting: Sequence[Note]) -> None:
        """Every line from now on is a new one. `waiting` are those that no activity has carried yet."""
        told, self._told = self._told or {}, None
        # What happens inside a step, such as a reminder at a gate, is not told again: count as the run before did.
        self.numbers |= told
        self.waiting = [*waiting, *self.waiting]

    def is_old(self, stage: str) -> bool:
        """True if the next line of this stage was made before by the run that this one continues. It is counted, too."""
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
        run_id: str = "",
    ) -> Note:
        """Number a line of what was done, why and what comes next, and let it wait. With `run_id` it is told once per run."""
        number = self.numbers[stage] = self.numbers.get(stage, 0) + 1
        did, why, following = (cut(text, limit) for text, limit in zip(said, (2000, 4000, 2000), strict=True))
        # What is said is in the key: after a reset the same number of the same stage can be another line.
        content = digest_of(run_id, actor, did, why, following)[:12]
        line = Note(
            key=f"{run.trace}/{run.path}/{stage}/{number}/{content}",
            at=workflow.now(),
            stage=stage,
            actor=actor,
            did=did,
            why=why,
            next=following,
            importance=importance,
            inputs=inputs,
        )
        self.waiting.append(line)
        self.last = [*self.last, line][-FEED_LIMIT:]
        return line

    def take(self) -> tuple[Note, ...]:
        """The waiting lines, for an activity to carry."""
        taken, self.waiting = tuple(self.waiting), []
        return taken

    def give_back(self, taken: Sequence[Note]) -> None:
        """The activity that carried them has failed: they wait on."""
        self.waiting = [*taken, *self.waiting]
