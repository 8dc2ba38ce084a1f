"""Continue-as-new: a run with a long history continues in a new one, where the story runs from the top again.

Finished steps return at once, an agent's unfinished step continues at its last turn, and no feed line is written twice.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from activities.runs.results import Results
from contracts.base import Contract
from contracts.carried import Carried, Finished, Keep, Kept, Recall, Recalled
from contracts.inputs import ChildInput, PipelineInput
from converter import fits
from workflows.kit.cancellation import not_cancelled
from workflows.kit.memory import Entry, Memory, in_batches
from workflows.kit.options import LOCAL
from workflows.kit.run import Run

C = TypeVar("C", bound=Contract)

LINES_CARRIED = 20
"""Feed lines of the previous run that are carried along for the query `feed`."""


class Chain:
    """Makes the consecutive runs of one workflow look like one run."""

    def __init__(self, run: Run, quiet: Callable[[], bool]) -> None:
        """`quiet` returns True if nothing is in progress that a new run would lose."""
        self._run = run
        self._quiet = quiet
        self._memory = Memory()
        self._asked: PipelineInput | ChildInput | None = None
        self._under_way = 0
        self._did_something = False

    def take_over(self, asked: PipelineInput | ChildInput) -> bool:
        """Restore the state of the run that this one continues. False if there is none."""
        self._asked = asked
        self._run.take_over(asked.carried)
        if asked.carried is None:
            return False
        self._memory.restore(asked.carried)
        return True

    def begin(self, name: Callable[[], str]) -> Entry:
        """Register the start of a step. `known` is set if the previous run finished it."""
        return self._memory.begin(name)

    async def recall(self, step: Entry, kind: type[C]) -> C:
        """The result of a known step."""
        assert step.known is not None
        step.result, text = step.known, step.known.result
        if step.known.artifact is not None:
            request = Recall(run=self._run.ref, artifact=step.known.artifact)
            read: Recalled = await workflow.execute_local_activity_method(
                Results.recall_result, request, summary="journal: recall a result", **LOCAL
            )
            text = read.result
        return kind.read(text)

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """Prevent continue-as-new while the block runs."""
        self._under_way += 1
        self._did_something = True
        try:
            yield
        finally:
            self._under_way -= 1

    async def safe_point(self) -> None:
        """Continue as new here if history is long and nothing is in progress that would be lost.

        The server decides when history is long. Called before each turn of an agent, before a gate opens and before children
        start. In progress can be a gate, a child, an activity, a handler, a pause, or a refusal that is not recorded yet.
        """
        self._run.caught_up()
        if not self._is_due():
            return
        if large := self._memory.large():
            await self._put_away(large)
        # Check again: something may have started while the activity stored the large results.
        if self._is_due() and not self._memory.large():
            assert self._asked is not None
            asked = self._asked.model_copy(update={"carried": self._carried()})
            if not fits(asked):
                workflow.logger.warning("history is long, but the state for the next run does not fit into its input")
                return
            not_cancelled()  # the new run would not know about a cancellation
            workflow.continue_as_new(asked)

    def _is_due(self) -> bool:
        # Without an activity in between, a run whose input alone is long would continue as new forever.
        moved = self._did_something and self._asked is not None and self._run.began is not None
        return workflow.info().is_continue_as_new_suggested() and moved and self._under_way == 0 and self._quiet()

    def _carried(self) -> Carried:
        run = self._run
        return Carried(
            began=run.pins,
            finished=tuple(self._memory.finished()),
            talks=self._memory.talks(),
            mail=run.inbox.mail(),
            told=run.lines.numbers,
            waiting=tuple(run.lines.waiting),
            lines=tuple(run.lines.last[-LINES_CARRIED:]),
            next=run.next,
            change=run.change,
            moves=run.moves,
            usd_micros=run.usd_micros,
            tokens=run.tokens,
        )

    async def _put_away(self, entries: list[Entry]) -> None:
        """Move large results into the artifact store. If that fails, the run stays here until the next safe point."""
        for some in in_batches(entries):
            request = Keep(run=self._run.ref, results=tuple(entry.finished().result for entry in some))
            try:
                kept: Kept = await workflow.execute_local_activity_method(
                    Results.keep_results, request, summary=f"journal: keep {len(some)} results", **LOCAL
                )
            except FailureError as error:
                if is_cancelled_exception(error):
                    raise
                workflow.logger.warning("history is long, but the run could not continue as new: %s", error)
                return
            not_cancelled()
            for entry, artifact in zip(some, kept.artifacts, strict=True):
                entry.result = Finished(key=entry.key, artifact=artifact)
