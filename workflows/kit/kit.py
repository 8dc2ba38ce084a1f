"""What a pipeline may do: one `Kit` per workflow, built as the first thing in `__init__`.

`do` runs one activity with the waiting feed lines riding along; `note` queues a line; `enter` names the stage. The
steps that pipelines are written in (`ask`, `gate`, `perform`, `fan_out`) stand in modules of their own beside this one.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate
from temporalio.exceptions import is_cancelled_exception

from activities.runs.journal import Journal
from contracts.base import Contract
from contracts.gates import GateKind, GateView
from contracts.inputs import ChildInput, PipelineInput
from contracts.journal import BeginRun, Finish, Record, Totals
from contracts.money import Part, slice_of
from contracts.pins import Began
from contracts.runs import FINAL, Importance, Pipeline, Request, RunChange, RunRef, RunState
from workflows.kit import showing, story
from workflows.kit.admitting import own_ref, request_to_begin
from workflows.kit.attributes import COST_USD, NEEDS_HUMAN, OUTCOME, OWNER, PROJECT, STAGE, STATE
from workflows.kit.bounds import keyword, newest_within
from workflows.kit.cancelling import not_cancelled, send, was_cancelled
from workflows.kit.chain import Chain
from workflows.kit.inbox import REFUSALS_AT_ONCE, Inbox
from workflows.kit.lasting import outlasting
from workflows.kit.lines import Lines
from workflows.kit.memory import name_of, returns
from workflows.kit.options import LEDGER, LOCAL
from workflows.kit.parking import Parking, Stopped
from workflows.kit.pausing import Pausing

R = TypeVar("R")


class Duplicate(Exception):
    """The request was given before; `of` is the workflow id of the run that has it."""

    def __init__(self, of: str) -> None:
        super().__init__(f"the request was given before: see {of}")
        self.of = of


class Kit:
    """The state of one workflow that the steps share. Plain data: replay builds the same."""

    def __init__(self, kinds: Sequence[GateKind]) -> None:
        """Register every handler at once, so that what people send early finds one."""
        kinds = tuple(dict.fromkeys((*kinds, "ceiling")))
        self.inbox = Inbox(kinds)
        self.parking = Parking(self)
        self.watches: list[asyncio.Task[None]] = []
        self._seed = workflow.random_seed()
        loop = asyncio.get_running_loop()
        # What waits for a condition is looked at when something runs, and a reset alone runs nothing.
        workflow.register_random_seed_callback(lambda _: _look_again(loop))
        self.kinds = kinds
        self.ref = RunRef(trace="")
        self.began: Began | None = None
        self.beginning: BeginRun | None = None
        self.stage = "intake"
        self.state: RunState = "admitted"
        self.next = ""
        self.usd_micros = 0
        self.tokens = 0
        self.asked: dict[str, int] = {}
        self.parts: tuple[Part, ...] = ()
        self.gives_back: list[str] = []
        self.degraded: dict[str, str] = {}
        self.children: dict[str, str] = {}
        self.lines = Lines()
        self.chain = Chain(self)
        self.change: RunChange | None = None
        self.pausing = Pausing(self)
        workflow.set_query_handler("feed", self._feed)

    # Who this run is

    async def begin(
        self,
        pipeline: Pipeline,
        asked: PipelineInput,
        agents: tuple[str, ...],
        actions: tuple[str, ...] = (),
        auto: tuple[str, ...] = (),
    ) -> Began:
        """Start a root run: admit it and pin agents and policy. `duplicate_of` in the answer means: end at once.

        `auto` are pinned as well where the input, or else policy, says `effort: auto`.
        """
        request = self._begins(pipeline, asked, agents, actions, "the repository is fetched")
        request = request.model_copy(update={"auto": auto})
        if self.began is not None:
            return self.began
        await self.unpaused()
        began = await self.do_now(Journal.begin_run, request, f"{pipeline.lower()}: admit the run", **LEDGER)
        self.admitted(began)
        return began

    def begin_with_first_step(
        self, pipeline: Pipeline, asked: PipelineInput, agents: tuple[str, ...], actions: tuple[str, ...] = ()
    ) -> None:
        """Start a root run whose first step is an agent's: the first model call lets it in, at no event of its own.

        That step raises `Duplicate` where the request was given before, and what `begin_run` raises where the run is refused.
        """
        request = self._begins(pipeline, asked, agents, actions, f"{agents[0]} begins")
        self.beginning = request if self.began is None else None

    def _begins(
        self, pipeline: Pipeline, asked: PipelineInput, agents: tuple[str, ...], actions: tuple[str, ...], following: str
    ) -> BeginRun:
        self.ref = own_ref(asked)
        self.state = "working"
        if self.chain.take_over(asked):
            self.pausing.begin()
        return request_to_begin(self, pipeline, asked, agents, actions, following)

    def admitted(self, began: Began) -> None:
        """The run is let in, or is a duplicate and has to end."""
        self.began = story.known(began)
        self.beginning = None
        if began.duplicate_of is not None:
            return
        self.pausing.begin()
        wanted = {PROJECT: self.ref.project, OWNER: keyword(began.owner), STATE: "working"}
        there = workflow.info().typed_search_attributes
        if any(there.get(key) != value for key, value in wanted.items()):
            # Our starter sets them with the start, which costs no event.
            self.show(*(key.value_set(value) for key, value in wanted.items()))

    def join(self, asked: ChildInput) -> None:
        """Become a part of the family that the parent handed down."""
        context = asked.context
        self.ref = context.run.model_copy(update={"workflow_id": workflow.info().workflow_id})
        self.began = story.known(context.began)
        self.parts = context.parts
        self.inbox.named(context.run.path.replace("/", ".") + "." if context.run.path else "")
        self.chain.take_over(asked)
        self.pausing.begin()

    @property
    def pins(self) -> Began:
        """What the run pinned. Only after `begin` or `join`."""
        if self.began is None:
            raise RuntimeError("the kit was used before begin() or join()")
        return self.began

    def since(self, number: int) -> bool:
        """True if this run began with this story or a later one: what was changed with it counts here."""
        return self.pins.story >= number

    def at(self, path: str) -> RunRef:
        """This run at a step of its own."""
        return self.ref.model_copy(update={"path": f"{self.ref.path}/{path}" if self.ref.path else path})

    @property
    def was_reset(self) -> bool:
        """True from the point on to which the run was reset: Temporal gives a new seed there, in every replay again."""
        return workflow.random_seed() != self._seed

    @property
    def scripted(self) -> bool:
        """True if no real model answers in this run."""
        return any(pin.scripted for pin in self.pins.agents.values())

    # Its record

    def note(
        self,
        did: str,
        why: str = "",
        next: str = "",
        *,
        actor: str = "coordinator",
        importance: Importance = "overview",
        inputs: tuple[str, ...] = (),
    ) -> None:
        """Queue a line of the feed. It is committed with the next activity: no event of its own."""
        if self.lines.is_old(self.stage):
            return
        self.chain.caught_up()
        said = (did, why, next)
        # A run that was reset ends once more; that is no repetition.
        run_id = workflow.info().run_id if self.stage == "end" else ""
        line = self.lines.add(self.ref, self.stage, said, actor=actor, importance=importance, inputs=inputs, run_id=run_id)
        self.next = next or self.next
        self.tell(line.did, line.why, line.next)

    def enter(self, stage: str, next: str = "") -> None:
        """The run works on this stage from now on."""
        self.stage = stage
        self.move("working", next=next)

    def move(self, state: RunState, *, waiting_for: str = "", next: str = "") -> None:
        """Queue what the run row should say; committed with the next activity. Children have no row of their own."""
        self.next = next or self.next
        if self.pausing.told and state not in FINAL and state != "paused":
            self.pausing.before = state  # a gate that opens or closes meanwhile does not end the pause
            return
        self.state = state
        if not self.ref.path:
            self.change = RunChange(state=state, stage=self.stage, waiting_for=waiting_for, next=self.next)

    def show(self, *updates: SearchAttributeUpdate[Any]) -> None:
        """Set search attributes, several in one event."""
        workflow.upsert_search_attributes([STAGE.value_set(self.stage), *updates])

    async def flush(self) -> None:
        """Commit what waits. Only before a wait for a person, a long timer, and at the end: it costs an event."""
        refusals = self.inbox.take_refusals()
        if not (refusals or self.lines.waiting or self.change or self.gives_back):
            return
        request = self._with_riders(Record(run=self.ref, refusals=refusals))
        await workflow.execute_local_activity_method(Journal.record, request, summary="journal: record", **LOCAL)
        not_cancelled()

    async def leave(self) -> None:
        """Commit what waits, the last thing that a child does: what is left of its part of the money is free for others."""
        if self.parts and self.since(3):
            self.gives_back.append(slice_of(self.ref.trace, self.parts))
        self.inbox.end()
        await self.flush()

    async def finish(self, state: RunState, report: str, outcome: str) -> Totals:
        """Commit the report and the final state, and give back what the whole family cost. Nothing comes after it."""
        await self.pausing.end()
        for watch in self.watches:
            watch.cancel()
        await asyncio.gather(*self.watches, return_exceptions=True)
        self.chain.caught_up()
        while len(self.inbox.refusals) > REFUSALS_AT_ONCE:
            await self.flush()
        self.inbox.end()
        self.move(state, next="nothing: the run has ended")
        request = self._with_riders(Finish(run=self.ref, refusals=self.inbox.take_refusals(), report=report))
        totals: Totals = await workflow.execute_local_activity_method(
            Journal.finish_run, request, summary="journal: finish", **LOCAL
        )
        self.show(
            STATE.value_set(state),
            OUTCOME.value_set(outcome),
            NEEDS_HUMAN.value_set(False),
            COST_USD.value_set(totals.usd_micros / 1_000_000),
        )
        return totals

    # What it runs

    async def do(
        self, method: Callable[[Any, Any], Coroutine[Any, Any, R]], request: Request, summary: str, **options: Any
    ) -> R:
        """Run one activity. Waiting lines ride along and are committed with its effect; where it fails they wait on.

        What the run that this one continues has done is not done again: its result comes back.
        """
        step = self.chain.begin(name_of(method, request))
        if step.known is not None:
            return cast("R", await self.chain.recall(step, returns(method)))
        await self.unpaused()
        done = await self.do_now(method, request, summary, **options)
        step.result = done if isinstance(done, Contract) else None
        return done

    async def do_now(
        self, method: Callable[[Any, Any], Coroutine[Any, Any, R]], request: Request, summary: str, **options: Any
    ) -> R:
        """As `do`, also while the run is paused: for the record of what people decide."""
        change, sent = self.change, self._with_riders(request)
        try:
            with self.chain.under_way():
                done: R = await outlasting(self, method, sent, summary, **options)
        except (Exception, asyncio.CancelledError) as error:
            self.lines.give_back(sent.notes)
            self.change = self.change or change
            self.gives_back[:0] = sent.gives_back
            if not is_cancelled_exception(error) and was_cancelled() and workflow.patched("cancelled-meanwhile"):
                raise asyncio.CancelledError from None  # it failed before it heard of that
            raise
        not_cancelled()
        return done

    @property
    def quiet(self) -> bool:
        """True if nobody is waited for, nothing is still to be recorded, and the run has not stopped."""
        inbox = self.inbox
        said = inbox.waiting() or inbox.refusals or inbox.paused or self.pausing.told or self.pausing.recording
        money = self.gives_back or self.parking.stopped
        return not (said or money or self.children) and workflow.all_handlers_finished()

    async def unpaused(self) -> None:
        """Hold here while an operator has paused the run. What runs goes on; gates stay open and their time runs."""
        await self.pausing.over()
        self.check_stopped()

    def check_stopped(self) -> None:
        """Raise `Stopped` where the run has stopped at a ceiling: nothing begins any more."""
        if self.parking.stopped:
            raise Stopped(self.parking.stopped)

    async def tell_children(self, name: str, said: dict[str, Any] | None = None) -> None:
        """Pass a signal down. A child that has just ended needs it no more."""
        for child_id in list(self.children):
            await send(child_id, name, said or {})

    def _with_riders(self, request: Any) -> Any:
        change, self.change = self.change, None
        run = request.run.model_copy(update={"workflow_id": ""})  # the activity's own context has it
        riders: dict[str, Any] = {"run": run, "notes": self.lines.take(), "change": change}
        if self.gives_back:
            riders["gives_back"] = tuple(self.gives_back)
            self.gives_back.clear()
        if self.was_reset and not self.ref.path:
            # Its row says what it said at the end of the run that was reset.
            gates = tuple(view.gate for view in self.inbox.waiting())
            now = RunChange(state=self.state, stage=self.stage, waiting_for=", ".join(gates), next=self.next)
            riders |= {"change": change or now, "waiting": gates}
        return request.model_copy(update=riders)

    # What it shows

    def tell(self, did: str, why: str = "", next: str = "") -> None:
        """Temporal's Web UI shows this text; it comes from a query and costs no event."""
        showing.tell(self, did, why, next)

    def waiting_view(self) -> GateView | None:
        """The first gate that is open here, or None."""
        open_now = self.inbox.waiting()
        return open_now[0] if open_now else None

    def _feed(self, *_: Any) -> list[dict[str, Any]]:
        return newest_within([line.model_dump(mode="json") for line in self.lines.last])


def _look_again(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_soon(lambda: None)


def within(deadline: datetime) -> timedelta:
    """The time from now to then, never negative."""
    return max(deadline - workflow.now(), timedelta())
