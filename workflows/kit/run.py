"""The identity and record of a run: state, feed lines, search attributes, current details.

`Kit` adds what a pipeline may do. Everything here is plain data of one workflow, rebuilt identically by replay.
"""

from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from activities.runs.journal import Journal
from contracts.carried import Carried
from contracts.gates import GateKind, GateView
from contracts.handoff import Handoff
from contracts.journal import Record
from contracts.money import Part
from contracts.notices import Occasion
from contracts.pins import Began
from contracts.runbooks import AlertKind
from contracts.runs import FINAL, Importance, RunChange, RunRef, RunState
from search_attributes import STAGE
from workflows.kit import changes, details
from workflows.kit.bounds import newest_within
from workflows.kit.cancellation import not_cancelled, send
from workflows.kit.grounds import Grounds
from workflows.kit.inbox import Inbox
from workflows.kit.lines import Lines
from workflows.kit.options import LOCAL
from workflows.kit.standing import Family, Held, answered_by, tried_again, waiting_state

OF_ACTIONS: tuple[GateKind, ...] = ("action", "draft", "unknown")
"""The kinds of gate that `perform` may open."""


class Run:
    """The state and record of one workflow."""

    newest: RunChange | None = None
    """The last change that was queued, whether or not it is committed."""

    def __init__(self, kinds: Sequence[GateKind], known: Sequence[str] = (), *, performs: bool = False) -> None:
        """`kinds` are the gates it may open, `known` its pipeline's named changes.

        `performs`: it may perform actions, and therefore open the gates that policy requires for them.
        """
        self.kinds: tuple[GateKind, ...] = tuple(dict.fromkeys((*kinds, "ceiling", "held")))
        self.known = (*changes.CHANGES, *known)
        self.inbox = Inbox(tuple(dict.fromkeys((*self.kinds, "policy", "work", *(OF_ACTIONS if performs else ())))))
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
        self.made: list[Handoff[Any]] = []
        self.degraded: dict[str, str] = {}
        self.grounds = Grounds()
        self.children: dict[str, str] = {}
        self.lines = Lines()
        self.change: RunChange | None = None
        self.held = Held()
        self.family = Family()
        self.inbox.knows_of(self.family.named)
        self.moves = 0
        """How often its state was changed so far, also in the runs that it continues: the number of the last change."""
        self._behind: Carried | None = None
        # A continued run has the beginnings of what its chain did before in another history.
        self._stages = {} if workflow.info().continued_run_id else {self.stage: workflow.info().get_current_history_length()}
        workflow.set_query_handler("feed", self._feed)
        workflow.set_query_handler("stages", self._told_stages)

    # Identity

    @property
    def pins(self) -> Began:
        """What the run pinned at admission, or got from its parent."""
        if self.began is None:
            raise RuntimeError("the kit was used before begin() or join()")
        return self.began

    def goes_by(self, began: Began) -> None:
        """Set what the run pinned. Raises `NewerVersion` if a newer release started it."""
        self.began = changes.understood(began, self.known)
        # With every request from here on: a worker with another ledger can tell that the run is none of its own.
        self.ref = self.ref.model_copy(update={"ledger": began.ledger})

    def knows(self, change: str) -> bool:
        """True if the release that started this run had this named change. Raises `KeyError` for an unknown name."""
        if change not in self.known:
            raise KeyError(f"no change is called {change!r}; add it to CHANGES of the kit or to `changes` of the pipeline")
        return change in self.pins.changes

    @property
    def in_order(self) -> bool:
        """True if changes of this run's state are numbered, and its children's gates are its own: `IN_ORDER`."""
        return self.began is not None and self.knows(changes.IN_ORDER)

    def at(self, path: str) -> RunRef:
        """A reference to one step of this run."""
        return self.ref.model_copy(update={"path": f"{self.ref.path}/{path}" if self.ref.path else path})

    @property
    def was_reset(self) -> bool:
        """True after the point to which the run was reset: Temporal changes the random seed there, also in replay."""
        return workflow.random_seed() != self._seed

    @property
    def scripted(self) -> bool:
        """True if a script plays a model of this run."""
        return self.began is not None and any(pin.scripted for pin in self.began.agents.values())

    @property
    def unmetered(self) -> tuple[str, ...]:
        """The agents whose steps outside programs may do."""
        return () if self.began is None else tuple(name for name, pin in self.began.agents.items() if pin.unmetered)

    # Continue as new

    def take_over(self, carried: Carried | None) -> None:
        """Restore the state of the run that this one continues. None: there is none."""
        self.inbox.take_over(carried.mail if carried else None)
        if carried is None:
            return
        self._behind = carried
        self.goes_by(carried.began)
        self.usd_micros, self.tokens, self.moves = carried.usd_micros, carried.tokens, carried.moves
        self.lines.catch_up(carried.told, carried.lines)

    def caught_up(self) -> None:
        """The story has reached the point where the previous run stopped: feed lines are new from now on."""
        carried, self._behind = self._behind, None
        if carried is None:
            return
        self.next, self.change, self.newest = carried.next, carried.change, carried.change
        self.lines.caught_up(carried.waiting)
        if self.lines.last:
            last = self.lines.last[-1]
            self.tell(last.did, last.why, last.next)

    # Record

    def note(
        self,
        did: str,
        why: str = "",
        next: str = "",
        *,
        actor: str = "coordinator",
        importance: Importance = "overview",
        alert: AlertKind | None = None,
        inputs: tuple[str, ...] = (),
        tells: Occasion | None = None,
    ) -> None:
        """Queue a feed line. The next activity commits it, so it costs no event.

        `alert`: somebody should look, and this is the kind that has the runbook. `tells`: people hear of it as well.
        """
        if self.lines.is_old(self.stage):
            return
        self.caught_up()
        said = (did, why, next)
        # After a reset the run ends a second time, and that line is not a repetition.
        run_id = workflow.info().run_id if self.stage == "end" else ""
        line = self.lines.add(
            self.ref,
            self.stage,
            said,
            actor=actor,
            importance="alert" if alert else importance,
            alert=alert,
            inputs=inputs,
            run_id=run_id,
            tells=tells,
        )
        self.next = next or self.next
        self.tell(line.did, line.why, line.next)

    def enter(self, stage: str, next: str = "") -> None:
        """Start a stage: the run's state becomes `working`."""
        self.stage = stage
        if self._behind is None:
            self._stages[stage] = workflow.info().get_current_history_length()
        self.move("working", next=next)

    def move(self, state: RunState, *, waiting_for: str = "", next: str = "") -> None:
        """Queue a change of the run's row. The next activity commits it. Children have no row.

        While a gate is open in the run or a child, a run that works waits at that gate. While a child waits for a model, or for
        room on a disk, so does the run. A paused run stays paused.
        """
        self.next = next or self.next
        if state == "working" and self.in_order and (view := self.waiting_view()) is not None:
            state, waiting_for, self.next = waiting_state(view), view.gate, answered_by(view)
        elif state == "working" and not waiting_for and (held := self.family.held_up()) is not None:
            waiting_for, self.next = held.waiting_for, tried_again(held)
        if self.held.told and state not in FINAL and state != "paused":
            self.held.before = state  # a gate that opens or closes does not end the pause
            if not self.in_order:
                return
            state, waiting_for = "paused", "resume"
        self.state = state
        if not self.ref.path:
            self.moves += 1
            number = self.moves if self.in_order else 0
            self.change = self.newest = self._now(waiting_for, number)

    def _now(self, waiting_for: str, number: int) -> RunChange:
        return RunChange(state=self.state, stage=self.stage, waiting_for=waiting_for, next=self.next, nth=number)

    async def keep_up(self, written: RunChange | None) -> None:
        """An activity has written this change. Where the run has moved on meanwhile its row is told the newest again."""
        # Numbered changes need no repeat: the ledger leaves out one that is older than what it has.
        while not self.in_order and self._is_behind(written) and self.knows("row-keeps-up"):
            self.change = written = self.newest
            await self.flush()

    def _is_behind(self, written: RunChange | None) -> bool:
        # Before admission, which a reset repeats, nothing says yet which changes the run knows.
        moved = self.began is not None and self.newest is not None and self.change is None
        return moved and written is not None and written != self.newest

    async def flush(self) -> None:
        """Commit what waits. It costs events, so call it only before long waits and at the end."""
        refusals = self.inbox.take_refusals()
        if not (refusals or self.lines.waiting or self.change or self.gives_back):
            return
        request = self.with_riders(Record(run=self.ref, refusals=refusals))
        await workflow.execute_local_activity_method(Journal.record, request, summary="journal: record", **LOCAL)
        not_cancelled()

    async def flush_change(self) -> None:
        """Commit a change that would otherwise wait for an activity, before something that takes long and is none."""
        if self.in_order and self.change is not None:
            await self.flush()

    def with_riders(self, request: Any) -> Any:
        """Add everything that waits to be recorded; the activity commits it in the transaction of its own effect."""
        change, self.change = self.change, None
        run = request.run.model_copy(update={"workflow_id": ""})  # the activity's context has it: keep history small
        riders: dict[str, Any] = {"run": run, "notes": self.lines.take(), "change": change}
        if self.gives_back:
            riders["gives_back"] = tuple(self.gives_back)
            self.gives_back.clear()
        if self.made:
            riders["made"] = tuple(self.made)
            self.made.clear()
        if self.was_reset and not self.ref.path:
            # The row still has the final state of the run that was reset.
            gates = tuple(view.gate for view in self.inbox.waiting())
            waiting_for = self.newest.waiting_for or "" if self.in_order and self.newest else ", ".join(gates)
            now = self._now(waiting_for, self.moves if self.in_order else 0)
            riders |= {"change": change or now, "waiting": gates}
        return request.model_copy(update=riders)

    def take_back(self, sent: Any, change: RunChange | None) -> None:
        """Queue the riders of a failed activity again, ahead of later ones."""
        self.lines.give_back(sent.notes)
        self.change = self.change or change
        self.gives_back[:0] = sent.gives_back
        self.made[:0] = sent.made

    def keep(self, handoff: Handoff[Any]) -> Handoff[Any]:
        """Have a handoff of the coordinator's own stored with the next activity, like those that agents make; returns it."""
        # A continued run's story makes it again, so none is carried over.
        self.made.append(handoff)
        return handoff

    async def tell_children(self, name: str, said: dict[str, Any] | None = None) -> None:
        """Send a signal to all children; those that have just ended are skipped."""
        for child_id in list(self.children):
            await send(child_id, name, said or {})

    # Display

    def show(self, *updates: SearchAttributeUpdate[Any]) -> None:
        """Set search attributes, in one event."""
        workflow.upsert_search_attributes([STAGE.value_set(self.stage), *updates])

    def tell(self, did: str, why: str = "", next: str = "") -> None:
        """Set the text in Temporal's Web UI. It is read by a query and costs no event."""
        details.show_step(self.stage, did, why, next or self.next, self.usd_micros, scripted=self.scripted)

    def waiting_view(self) -> GateView | None:
        """The first open gate of this workflow, else of its children, or None. One that holds the run comes before others."""
        open_now = (*self.inbox.waiting(), *self.family.waiting())
        return next((view for view in open_now if view.kind == "held"), open_now[0] if open_now else None)

    def _told_stages(self, *_: Any) -> dict[str, int]:
        """For a reset: each stage that began in this history, and the event of the task in which it did so the last time."""
        return self._stages

    def _feed(self, *_: Any) -> list[dict[str, Any]]:
        return newest_within([line.model_dump(mode="json") for line in self.lines.last])
