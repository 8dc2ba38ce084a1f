"""Continue-as-new: a run whose history has grown long goes on in a new one, in which the story runs from the top again.

Finished steps return at once, an agent's unfinished step goes on at its last turn, and nothing is told twice.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from activities.runs.recall import Carrying
from contracts.base import Contract
from contracts.carried import Carried, Finished, Keep, Kept, Recall, Recalled
from contracts.inputs import ChildInput, PipelineInput
from converter import fits
from workflows.kit import story
from workflows.kit.cancelling import not_cancelled
from workflows.kit.memory import Entry, Memory, in_batches
from workflows.kit.options import LOCAL

if TYPE_CHECKING:
    from workflows.kit.kit import Kit

C = TypeVar("C", bound=Contract)

LINES_CARRIED = 20
"""Lines that a continued run can answer the query `feed` with from before."""


class Chain:
    """The runs of one workflow, one after the other, as one."""

    def __init__(self, kit: "Kit") -> None:
        self._kit = kit
        self._memory = Memory()
        self._asked: PipelineInput | ChildInput | None = None
        self._behind: Carried | None = None
        self._under_way = 0
        self._did_something = False

    def take_over(self, asked: PipelineInput | ChildInput) -> bool:
        """Go on where the run that this one continues has stopped. False: there was none."""
        kit, carried, self._asked = self._kit, asked.carried, asked
        kit.inbox.take_over(carried.mail if carried else None)
        if carried is None:
            return False
        self._behind = carried
        self._memory.restore(carried)
        kit.began, kit.usd_micros, kit.tokens = story.known(carried.began), carried.usd_micros, carried.tokens
        kit.lines.catch_up(carried.told, carried.lines)
        return True

    def caught_up(self) -> None:
        """The story has come to where the run before stopped; what it says from now on is new."""
        kit, carried = self._kit, self._behind
        if carried is None:
            return
        self._behind = None
        kit.next, kit.change = carried.next, carried.change
        kit.lines.caught_up(carried.waiting)
        if kit.lines.last:
            last = kit.lines.last[-1]
            kit.tell(last.did, last.why, last.next)

    def begin(self, name: Callable[[], str]) -> Entry:
        """A step begins. Where the run before has finished it, it is `known`."""
        return self._memory.begin(name)

    async def recall(self, step: Entry, kind: type[C]) -> C:
        """The result of a known step."""
        assert step.known is not None
        step.result, text = step.known, step.known.result
        if step.known.artifact is not None:
            request = Recall(run=self._kit.ref, artifact=step.known.artifact)
            read: Recalled = await workflow.execute_local_activity_method(
                Carrying.recall_result, request, summary="journal: recall a result", **LOCAL
            )
            text = read.result
        return kind.read(text)

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """While the block runs the run does not continue as new."""
        self._under_way += 1
        self._did_something = True
        try:
            yield
        finally:
            self._under_way -= 1

    async def safe_point(self) -> None:
        """Continue as new here, where history has grown long and nothing is under way that would be lost.

        It is the server that says when. Called before each turn of an agent, before a gate opens and before children start.
        What can be under way: a gate, a child, an activity, a handler, a pause, a refusal that is not recorded yet.
        """
        self.caught_up()
        # Runs from before this could be went on here, and have to do so again when they are replayed.
        if not (self._is_due() and workflow.patched("continue-as-new")):
            return
        if large := self._memory.large():
            await self._put_away(large)
        if self._is_due() and not self._memory.large():
            assert self._asked is not None
            asked = self._asked.model_copy(update={"carried": self._carried()})
            if not fits(asked):
                workflow.logger.warning("history is long, and what the next run has to know does not fit into its input")
                return
            not_cancelled()  # a new run would not know that it was cancelled
            workflow.continue_as_new(asked)

    def _is_due(self) -> bool:
        # Without an activity in between, a run whose start alone is long would begin anew for ever.
        moved = self._did_something and self._asked is not None and self._kit.began is not None
        return workflow.info().is_continue_as_new_suggested() and moved and self._under_way == 0 and self._kit.quiet

    def _carried(self) -> Carried:
        kit = self._kit
        return Carried(
            began=kit.pins,
            finished=tuple(self._memory.finished()),
            talks=self._memory.talks(),
            mail=kit.inbox.mail(),
            told=kit.lines.numbers,
            waiting=tuple(kit.lines.waiting),
            lines=tuple(kit.lines.last[-LINES_CARRIED:]),
            next=kit.next,
            change=kit.change,
            usd_micros=kit.usd_micros,
            tokens=kit.tokens,
        )

    async def _put_away(self, entries: list[Entry]) -> None:
        """Move large results into the artifact store. Where it is away, the run goes on here until the next safe point."""
        for some in in_batches(entries):
            request = Keep(run=self._kit.ref, results=tuple(entry.finished().result for entry in some))
            try:
                kept: Kept = await workflow.execute_local_activity_method(
                    Carrying.keep_results, request, summary=f"journal: keep {len(some)} results", **LOCAL
                )
            except FailureError as error:
                if is_cancelled_exception(error):
                    raise
                workflow.logger.warning("history is long and could not be begun anew: %s", error)
                return
            not_cancelled()
            for entry, artifact in zip(some, kept.artifacts, strict=True):
                entry.result = Finished(key=entry.key, artifact=artifact)
