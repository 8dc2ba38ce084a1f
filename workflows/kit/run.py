"""Who a run is, and what is to be recorded of it: identity, state, feed lines, search attributes, what is shown.

`Kit` adds what a pipeline may do. Everything here is plain data of one workflow; replay builds the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from activities.runs.journal import Journal
from contracts.carried import Carried
from contracts.gates import GateKind, GateView
from contracts.journal import Record
from contracts.money import Part
from contracts.pins import Began
from contracts.runs import FINAL, Importance, RunChange, RunRef, RunState
from search_attributes import STAGE
from workflows.kit import changes, details
from workflows.kit.bounds import newest_within
from workflows.kit.cancellation import not_cancelled, send
from workflows.kit.inbox import Inbox
from workflows.kit.lines import Lines
from workflows.kit.options import LOCAL

OF_ACTIONS: tuple[GateKind, ...] = ("action", "draft", "unknown")
"""The kinds of gate that `perform` opens."""


@dataclass
class Held:
    """An operator's pause, as far as the run's record tells it; `before` is the state that it goes back to."""

    told: bool = False
    before: RunState = "working"
    recording: bool = False


class Run:
    """The state of one workflow, and its record."""

    newest: RunChange | None = None
    """The last change that was queued, whether or not it is committed."""

    def __init__(self, kinds: Sequence[GateKind], known: Sequence[str] = (), *, performs: bool = False) -> None:
        """`kinds` are the gates that it may open; `known` are the named changes of its pipeline.

        `performs`: it may perform actions, and so open gates that policy adds to its own when it is let in.
        """
        self.kinds: tuple[GateKind, ...] = tuple(dict.fromkeys((*kinds, "ceiling")))
        self.known = (*changes.CHANGES, *known)
        self.inbox = Inbox(tuple(dict.fromkeys((*self.kinds, *(OF_ACTIONS if performs else ())))))
        self._seed = workflow.random_seed()
        self.ref = RunRef(trace="")
        self.began: Began | None = None
        self.stage = "intake"
        self.state: RunState = "admitted"
        self.next = ""
        self.usd_micros = 0
        self.tokens = 0
        self.parts: tuple[Part, ...] = ()
        self.gives_back: list[str] = []
        self.degraded: dict[str, str] = {}
        self.children: dict[str, str] = {}
        self.lines = Lines()
        self.change: RunChange | None = None
        self.held = Held()
        self._behind: Carried | None = None
        workflow.set_query_handler("feed", self._feed)

    # Who it is

    @property
    def pins(self) -> Began:
        """What the run pinned when it was let in, or was handed by its parent."""
        if self.began is None:
            raise RuntimeError("the kit was used before begin() or join()")
        return self.began

    def goes_by(self, began: Began) -> None:
        """Take over what the run pinned. Raises `NewerVersion` where a newer release began it."""
        self.began = changes.understood(began, self.known)

    def knows(self, change: str) -> bool:
        """True if this run began with a release that had this named change. Raises KeyError for a name on no list."""
        if change not in self.known:
            raise KeyError(f"no change is called {change!r}; add it to CHANGES of the kit or to `changes` of the pipeline")
        return change in self.pins.changes

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
        return self.began is not None and any(pin.scripted for pin in self.began.agents.values())

    # A run that continues another

    def take_over(self, carried: Carried | None) -> None:
        """Go on where the run that this one continues has stopped. None: there was none."""
        self.inbox.take_over(carried.mail if carried else None)
        if carried is None:
            return
        self._behind = carried
        self.goes_by(carried.began)
        self.usd_micros, self.tokens = carried.usd_micros, carried.tokens
        self.lines.catch_up(carried.told, carried.lines)

    def caught_up(self) -> None:
        """The story has come to where the run before stopped; what it says from now on is new."""
        carried, self._behind = self._behind, None
        if carried is None:
            return
        self.next, self.change, self.newest = carried.next, carried.change, carried.change
        self.lines.caught_up(carried.waiting)
        if self.lines.last:
            last = self.lines.last[-1]
            self.tell(last.did, last.why, last.next)

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
        self.caught_up()
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
        if self.held.told and state not in FINAL and state != "paused":
            self.held.before = state  # a gate that opens or closes meanwhile does not end the pause
            return
        self.state = state
        if not self.ref.path:
            self.change = self.newest = RunChange(state=state, stage=self.stage, waiting_for=waiting_for, next=self.next)

    async def keep_up(self, written: RunChange | None) -> None:
        """An activity has written this change. Where the run has moved on meanwhile its row is told the newest again."""
        # The newer one may have been written first: a pause, or a gate, that came while a long activity was under way.
        while written is not None and written is not self.newest and self.change is None and self.knows("row-keeps-up"):
            self.change = written = self.newest
            await self.flush()

    async def flush(self) -> None:
        """Commit what waits. Only before a wait for a person, a long timer, and at the end: it costs an event."""
        refusals = self.inbox.take_refusals()
        if not (refusals or self.lines.waiting or self.change or self.gives_back):
            return
        request = self.with_riders(Record(run=self.ref, refusals=refusals))
        await workflow.execute_local_activity_method(Journal.record, request, summary="journal: record", **LOCAL)
        not_cancelled()

    def with_riders(self, request: Any) -> Any:
        """The request with everything that waits to be recorded: it is committed together with the activity's own effect."""
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

    def take_back(self, sent: Any, change: RunChange | None) -> None:
        """The activity that carried these riders has failed: they wait for the next one."""
        self.lines.give_back(sent.notes)
        self.change = self.change or change
        self.gives_back[:0] = sent.gives_back

    async def tell_children(self, name: str, said: dict[str, Any] | None = None) -> None:
        """Pass a signal down. A child that has just ended needs it no more."""
        for child_id in list(self.children):
            await send(child_id, name, said or {})

    # What it shows

    def show(self, *updates: SearchAttributeUpdate[Any]) -> None:
        """Set search attributes, several in one event."""
        workflow.upsert_search_attributes([STAGE.value_set(self.stage), *updates])

    def tell(self, did: str, why: str = "", next: str = "") -> None:
        """Temporal's Web UI shows this text; it comes from a query and costs no event."""
        details.show_step(self.stage, did, why, next or self.next, self.usd_micros, scripted=self.scripted)

    def waiting_view(self) -> GateView | None:
        """The first gate that is open here, or None."""
        open_now = self.inbox.waiting()
        return open_now[0] if open_now else None

    def _feed(self, *_: Any) -> list[dict[str, Any]]:
        return newest_within([line.model_dump(mode="json") for line in self.lines.last])
