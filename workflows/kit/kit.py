"""What a pipeline may do: one `Kit` per workflow, created first in its `__init__`.

`do` runs one activity, which also commits the waiting feed lines. The steps that pipelines are written in (`ask`, `gate`,
`perform`, `fan_out`, `side_by_side`) are in their own modules beside this one.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.runs.journal import Journal
from contracts.agents import Effort
from contracts.base import Contract, sha256
from contracts.gates import GateKind
from contracts.inputs import ChildInput, PipelineInput
from contracts.intents import Intent
from contracts.journal import BeginRun, Finish, Totals
from contracts.money import micros, slice_of
from contracts.outside import sources_in, texts_in
from contracts.pins import Began
from contracts.runs import Request, RunRef, RunState
from contracts.spread import Left
from search_attributes import COST_USD, NEEDS_HUMAN, OUTCOME, OWNER, PROJECT, STATE, keyword
from workflows.kit import at_hand
from workflows.kit.asks import listen
from workflows.kit.cancellation import not_cancelled, was_cancelled
from workflows.kit.chain import Chain
from workflows.kit.ends import Stopped
from workflows.kit.holding import Holding
from workflows.kit.ledger_outage import outlasting
from workflows.kit.memory import name_of, returns
from workflows.kit.options import LEDGER, LOCAL
from workflows.kit.parking import Parking
from workflows.kit.pause import Pause
from workflows.kit.refusals import REFUSALS_AT_ONCE
from workflows.kit.run import Run
from workflows.kit.wider_pause import WiderPause

R = TypeVar("R")
T = TypeVar("T")
Q = TypeVar("Q", bound=Request)


class Kit(Run):
    """A run, and the operations that its pipeline may use."""

    def __init__(self, kinds: Sequence[GateKind], known: Sequence[str] = (), *, performs: bool = False) -> None:
        """Register all handlers right away, so that early messages find one."""
        super().__init__(kinds, known, performs=performs)
        self.parking = Parking(self)
        self.pause = Pause(self)
        self.wider_pause = WiderPause(self, self.do_now, lambda: bool(self.parking.stopped))
        self.chain = Chain(self, lambda: self.quiet)
        listen(self, self._left)
        self.holding = Holding()
        self.holding.listen(self.inbox)
        self.watches: list[asyncio.Task[None]] = []
        self.asked: dict[str, int] = {}
        self.slow: set[str] = set()
        self.shown: tuple[Intent, ...] = ()
        """The actions of the latest approved gate: a person has just seen exactly their bytes."""
        loop = asyncio.get_running_loop()
        # Conditions are only evaluated when something runs in the workflow, and a reset alone runs nothing.
        workflow.register_random_seed_callback(lambda _: _look_again(loop))

    # Start and end

    async def begin(
        self,
        asked: PipelineInput,
        agents: Sequence[str],
        auto: Sequence[str] = (),
        effort: Effort | None = None,
        actions: Sequence[str] = (),
        first: str = "",
    ) -> Began:
        """Admit a root run, and pin its agents, policy and ceiling. If the result has `duplicate_of`, the run must end at once.

        `auto` are agents to pin in addition if the effort is auto (`effort`; None: policy decides). `actions` are the types of
        action that the run may propose. `first` is what the feed says comes first.
        """
        info = workflow.info()
        self.ref = RunRef(trace=info.first_execution_run_id, workflow_id=info.workflow_id, project=asked.project)
        self.grounds.read(sources_in(asked))
        self.state = "working"
        if self.chain.take_over(asked):  # continued as new: it was admitted before
            self.pause.begin()
            return self.pins
        if self.inbox.paused and workflow.patched("paused-before-admission"):
            await self._paused_early()
        await self.unpaused()
        wanted = {"agents": tuple(agents), "auto": tuple(auto), "effort": effort, "actions": tuple(actions), "next": first}
        request = self._request(asked).model_copy(update=wanted)
        summary, here = f"{info.workflow_type.lower()}: admit the run", at_hand.is_at_hand()
        began = await self.do_now(Journal.begin_run, request, summary, here=here, **LEDGER)
        self.goes_by(began)
        if began.duplicate_of is None:
            self._admitted(began, first)
        return began

    async def _paused_early(self) -> None:
        """Show the pause of a run that is not admitted, as by a reset to its start; there is nobody yet who records it."""
        self.state = "paused"
        self.show(STATE.value_set("paused"), NEEDS_HUMAN.value_set(False))
        await self.unpaused()
        self.state = "working"
        self.show(STATE.value_set("working"))

    def _request(self, asked: PipelineInput) -> BeginRun:
        info = workflow.info()
        return BeginRun(
            run=self.ref,
            pipeline=info.workflow_type,
            run_id=info.run_id,
            input=asked.model_dump(mode="json"),
            owner=asked.owner,
            request_key=asked.request_key,
            risk=asked.risk,
            ceiling_micros=None if asked.ceiling_usd is None else micros(asked.ceiling_usd),
            agents=(),
            gates=self.kinds,
            changes=self.known,
            outside={sha256(one.text.encode()): ",".join(one.sources) for one in texts_in(asked)},
        )

    def _admitted(self, began: Began, first: str) -> None:
        self.pause.begin()
        if self.in_order:
            self.move("working", next=first)
        wanted = {PROJECT: self.ref.project, OWNER: keyword(began.owner), STATE: "working"}
        there = workflow.info().typed_search_attributes
        if any(there.get(key) != value for key, value in wanted.items()):
            # Only for starts by other clients: ours sets them with the start, which costs no event.
            self.show(*(key.value_set(value) for key, value in wanted.items()))

    def join(self, asked: ChildInput) -> None:
        """Start a child: take over the parent's pins, path and slices."""
        context = asked.context
        self.ref = context.run.model_copy(update={"workflow_id": workflow.info().workflow_id})
        self.grounds.read(sources_in(asked))
        self.goes_by(context.began)
        self.parts = context.parts
        self.inbox.named(context.run.path.replace("/", ".") + "." if context.run.path else "")
        self.chain.take_over(asked)
        self.pause.begin()

    async def leave(self) -> None:
        """End a child: release the rest of its slice and commit what waits. Must be its last call."""
        if self.parts:
            self.gives_back.append(slice_of(self.ref.trace, self.parts))
        self.inbox.end()
        await self.flush()

    async def finish(self, state: RunState, report: str) -> Totals:
        """Commit the report and the final state. Returns the cost of the run and its children. Must be the last call."""
        await self.pause.end()
        for watch in self.watches:
            watch.cancel()
        await asyncio.gather(*self.watches, return_exceptions=True)
        await self.holding.end()
        self.caught_up()
        # One request holds only so many; the rest goes ahead of the final one.
        while len(self.inbox.refusals) > REFUSALS_AT_ONCE:
            await self.flush()
        self.inbox.end()
        self.move(state, next="nothing: the run has ended")
        request = self.with_riders(Finish(run=self.ref, refusals=self.inbox.take_refusals(), report=report))
        totals: Totals = await workflow.execute_local_activity_method(
            Journal.finish_run, request, summary="journal: finish", **LOCAL
        )
        self.show(
            STATE.value_set(state),
            OUTCOME.value_set(state),
            NEEDS_HUMAN.value_set(False),
            COST_USD.value_set(totals.usd_micros / 1_000_000),
        )
        return totals

    # Activities

    async def do(self, method: Callable[[Any, Q], Coroutine[Any, Any, R]], request: Q, summary: str, **options: Any) -> R:
        """Run one activity as a step of the story. It also commits the waiting feed lines; if it fails they keep waiting.

        In a continued run it returns the result of the previous run instead of running again. Waits while the run is paused, or
        what it belongs to.
        """
        step = self.chain.begin(name_of(method, request))
        if step.known is not None:
            return cast("R", await self.chain.recall(step, returns(method)))
        done = await self.once_resumed(lambda: self.do_now(method, request, summary, **options), summary)
        step.result = done if isinstance(done, Contract) else None
        return done

    async def do_now(
        self,
        method: Callable[[Any, Q], Coroutine[Any, Any, R]],
        request: Q,
        summary: str,
        *,
        here: bool = False,
        **options: Any,
    ) -> R:
        """Like `do`, but not a step of the story, and also while the run is paused: to record what people decide.

        `here`: it takes milliseconds as a rule, and is tried inside the workflow task, unless one of this
        summary took longer before.
        """
        change, sent = self.change, self.with_riders(request)
        try:
            with self.chain.under_way():
                done = await at_hand.tried(method, sent, summary) if here and summary not in self.slow else None
                if done is None:
                    if here:
                        self.slow.add(summary)
                    done = await outlasting(self, method, sent, summary, **options)
                await self.keep_up(sent.change)
        except (Exception, asyncio.CancelledError) as error:
            # It may have committed and failed afterwards. Sending the lines again is safe: the ledger knows their keys.
            self.take_back(sent, change)
            if not is_cancelled_exception(error) and was_cancelled():
                raise asyncio.CancelledError from None  # it failed before it heard of the cancellation
            raise
        not_cancelled()
        return done

    async def once_resumed(self, begin: Callable[[], Coroutine[Any, Any, T]], what: str) -> T:
        """Begin a step once neither its run nor what else it belongs to is paused. Returns and raises what `begin` does."""
        while True:
            await self.unpaused()
            try:
                return await begin()
            except ActivityError as error:
                if not await self.wider_pause.waited(error, what):
                    raise

    def _left(self, said: Left) -> None:
        self.family.left(said.path)
        self.parking.left(said.path)

    @property
    def quiet(self) -> bool:
        """True if no gate is open, nothing is left to record, no child runs, and the run has not stopped."""
        inbox = self.inbox
        said = inbox.waiting() or inbox.refusals or inbox.paused or self.held.told or self.held.recording
        money = self.gives_back or self.parking.stopped
        return not (said or money or self.children) and self.holding.quiet and workflow.all_handlers_finished()

    async def unpaused(self) -> None:
        """Wait here while an operator has paused the run, or it is held. Running activities continue; gates keep deadlines."""
        await self.pause.over()
        await self.holding.over()
        self.check_stopped()

    @property
    def is_paused(self) -> bool:
        """True while an operator has paused the run, or something that a step of it belongs to."""
        return self.inbox.paused or self.wider_pause.holds

    def check_stopped(self) -> None:
        """Raise `Stopped` if the run has stopped at a ceiling, so that nothing new starts."""
        if self.parking.stopped:
            raise Stopped(self.parking.stopped)


def _look_again(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_soon(lambda: None)


def within(deadline: datetime) -> timedelta:
    """The time until `deadline`, at least zero."""
    return max(deadline - workflow.now(), timedelta())
