"""Everything that people can send to one workflow. No message can leave it stuck.

Handlers take `*args`, so that any number of any JSON values reaches our own validation; a typed handler would fail the
workflow task on invalid input. They are synchronous up to the claim: a decision in time holds the gate from then on.
"""

from collections.abc import Callable, Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from contracts.carried import Ended, Mail
from contracts.errors import Refused
from contracts.gates import OFFERED, SEVERAL_SAY, Claimed, Decided, GateKind, GateView, Refusal, Verb
from contracts.people import Act
from workflows.kit.claims import NEVER_OPENED, Claim, OpenGateState, Via, check_early, same, sent_before
from workflows.kit.messages import bare, check_decision, no_such, read_decision, read_switch
from workflows.kit.refusals import Refusals


class Inbox:
    """Signal and update handlers of one workflow. The kit opens and closes gates; handlers only claim them."""

    def __init__(self, kinds: Sequence[GateKind]) -> None:
        self.paused = False
        self.switched = Act()
        self.refusals = Refusals()
        self._kinds = tuple(kinds)
        self._prefix = ""
        self._open: dict[str, OpenGateState] = {}
        self._ended: dict[str, Ended] = {}
        self._revisions: dict[str, int] = {}
        self._early: list[Claimed] = []
        self._over = False
        # A continued run receives messages before it has restored the state to judge them by.
        self._ready = workflow.info().continued_run_id is None
        self._held: list[Callable[[], None]] = []
        self._before = Mail()
        self._elsewhere: Callable[[str], GateView | None] = lambda _: None
        for verb in OFFERED:
            workflow.set_signal_handler(verb, bare(self._on_signal(verb)))
            workflow.set_update_handler(verb, bare(self._on_update(verb)))
        for name, value in (("pause", True), ("resume", False)):
            workflow.set_signal_handler(name, bare(self._on_switch(name, value, "signal")))
            workflow.set_update_handler(name, bare(self._on_switch(name, value, "update")))
        workflow.set_dynamic_signal_handler(self._on_unknown_signal)
        workflow.set_dynamic_update_handler(self._on_unknown_update)

    # Called by the kit

    def named(self, prefix: str) -> None:
        """Name this workflow's gates `prefix.kind-revision` from now on."""
        self._prefix = prefix

    def knows_of(self, elsewhere: Callable[[str], GateView | None]) -> None:
        """`elsewhere` finds the open gate of a child by id or kind: what is sent here for it is refused with where it is."""
        self._elsewhere = elsewhere

    def take_over(self, mail: Mail | None) -> None:
        """Restore the previous run's state (None: there is none), then handle the messages that came meanwhile."""
        if mail is not None:
            self._ended, self._revisions = dict(mail.ended), dict(mail.revisions)
            self._early, self.refusals.counted, self._before = list(mail.early), mail.counted, mail
        self._ready = True
        # In order of arrival: of two decisions the earlier must win here as well.
        held, self._held = self._held, []
        for handle in held:
            handle()

    def mail(self) -> Mail:
        """The state to carry into a continued run."""
        return Mail(ended=self._ended, revisions=self._revisions, early=tuple(self._early), counted=self.refusals.counted)

    @property
    def asked(self) -> frozenset[str]:
        """The kinds of gate that this workflow has opened so far."""
        return frozenset(self._revisions)

    def next_name(self, kind: GateKind) -> tuple[str, int]:
        """The id and the revision of the next gate of this kind."""
        revision = self._revisions.get(kind, 0) + 1
        return f"{self._prefix}{kind}-{revision}", revision

    def open(self, view: GateView) -> OpenGateState:
        """Accept decisions for a gate. Called before the ledger is told, so that no decision is lost in between."""
        self._revisions[view.kind] = view.revision
        state = OpenGateState(view, workflow.random_seed())
        self._open[view.gate] = state
        names = {view.gate, view.kind}  # an early decision may name only the kind
        state.kept = [early for early in self._early if early.decision.gate in names]
        self._early = [early for early in self._early if early.decision.gate not in names]
        self._next_kept(state)
        return state

    def answer(self, state: OpenGateState, outcome: Decided) -> None:
        """Set the claim's outcome. If it was refused, the next kept decision claims the gate."""
        claim, state.claim = state.claim, None
        assert claim is not None
        claim.outcome = outcome
        if outcome.won:
            state.counted = claim.said
        elif state.queue:
            state.claim = state.queue.pop(0)
        else:
            self._next_kept(state)

    def close(self, state: OpenGateState, ended: Decided) -> None:
        """Close a gate: later decisions are refused."""
        self._open.pop(state.view.gate, None)
        closed = f"gate {state.view.gate} is closed: {ended.verb}"
        for kept in state.kept:
            self.refusals.record(kept.verb, (kept.decision.model_dump(mode="json"),), closed, kept.via, kept=True)
        self._close_queue(state, ended, closed)
        claim = state.claim
        # Temporal deduplicates updates within one run only; the nonce lets a continued run recognise a repeated decision.
        nonce = state.counted.decision.nonce if state.counted is not None else None
        self._ended[state.view.gate] = Ended(verb=ended.verb, by=ended.by, subject=ended.subject, at=ended.at, nonce=nonce)
        if claim is not None and claim.outcome is None:
            # It came after the deadline, while the close was being recorded. Its sender must not wait forever.
            late = f"{closed}; this {claim.said.via} came at {claim.said.at:%H:%M:%S} UTC" if claim.is_dated else closed
            claim.outcome = ended.model_copy(update={"won": False, "reason": late})
            self.refusals.record(claim.said.verb, (claim.said.decision.model_dump(mode="json"),), late, claim.said.via)

    def _close_queue(self, state: OpenGateState, ended: Decided, closed: str) -> None:
        """Answer those who said yes while another one was being checked, and are not needed any more."""
        while state.queue:
            claim = state.queue.pop(0)
            claim.outcome = ended.model_copy(update={"won": False, "counts": False, "reason": closed})
            self.refusals.record(claim.said.verb, (claim.said.decision.model_dump(mode="json"),), closed, claim.said.via)

    def waiting(self) -> tuple[GateView, ...]:
        """The open gates."""
        return tuple(state.view for state in self._open.values())

    def refuse(self, name: str, args: tuple[Any, ...], reason: str, via: Via) -> None:
        """Record a message that was refused."""
        self.refusals.record(name, args, reason, via)

    def take_refusals(self) -> tuple[Refusal, ...]:
        """Take unrecorded refusals: as many as fit into one request, or all of them after `end`."""
        return self.refusals.take(all_of_them=self._over)

    def end(self) -> None:
        """Refuse all kept decisions, because no gate opens any more. Their senders were told that they are kept."""
        self._over = True
        for state in self._open.values():
            self._early += state.kept
            state.kept = []
        left, self._early = self._early, []
        for kept in left:
            self.refusals.record(kept.verb, (kept.decision.model_dump(mode="json"),), NEVER_OPENED, kept.via, always=True)

    # Called by people's messages

    def _on_signal(self, verb: Verb) -> Callable[..., None]:
        def handle(*args: Any) -> None:
            try:
                self._take(verb, args, "signal")
            except Refused as error:
                self.refusals.record(verb, args, str(error), "signal")

        return self._when_ready(handle)

    def _on_update(self, verb: Verb) -> Callable[..., Any]:
        async def handle(*args: Any) -> dict[str, Any]:
            await self._until_ready()
            try:
                claim = self._take(verb, args, "update")
            except Refused as error:
                self.refusals.record(verb, args, str(error), "update")
                raise ApplicationError(str(error), type="Refused", non_retryable=True) from None
            if claim is None:
                return {"won": False, "kept": True, "reason": "the gate is not open yet; this is applied when it opens"}
            # Answer only after the check: what is acknowledged must be the outcome.
            await workflow.wait_condition(lambda: claim.outcome is not None)
            outcome = claim.outcome
            assert outcome is not None
            if not outcome.won and not outcome.counts:
                raise ApplicationError(outcome.reason, type="Refused", non_retryable=True)
            return outcome.model_dump(mode="json")

        return handle

    def _on_switch(self, name: str, value: bool, via: Via) -> Callable[..., Any]:
        def switch(*args: Any) -> str:
            said = read_switch(name, args)
            if self.paused != value:
                self.switched = said
            self.paused = value
            return f"{name}d"

        def on_signal(*args: Any) -> None:
            try:
                switch(*args)
            except Refused as error:
                self.refusals.record(name, args, str(error), via)

        async def on_update(*args: Any) -> str:
            await self._until_ready()
            try:
                return switch(*args)
            except Refused as error:
                self.refusals.record(name, args, str(error), via)
                raise ApplicationError(str(error), type="Refused", non_retryable=True) from None

        return self._when_ready(on_signal) if via == "signal" else on_update

    def _when_ready(self, handle: Callable[..., None]) -> Callable[..., None]:
        def handle_or_hold(*args: Any) -> None:
            if self._ready:
                handle(*args)
            else:
                self._held.append(lambda: handle(*args))

        return handle_or_hold

    async def _until_ready(self) -> None:
        if not self._ready:
            await workflow.wait_condition(lambda: self._ready)

    def _on_unknown_signal(self, name: str, args: Sequence[RawValue]) -> None:
        if not self._ready:
            self._held.append(lambda: self._on_unknown_signal(name, args))
            return
        self.refusals.record(name, (), no_such("signal", name), "signal")

    async def _on_unknown_update(self, name: str, args: Sequence[RawValue]) -> None:
        del args  # Temporal requires both parameters
        await self._until_ready()
        text = no_such("update", name)
        self.refusals.record(name, (), text, "update")
        raise ApplicationError(text, type="Refused", non_retryable=True)

    def _take(self, verb: Verb, args: tuple[Any, ...], via: Via) -> Claim | None:
        """Turn any JSON into a claim on an open gate, or None if the decision is kept for later. Raises `Refused`.

        Contains no await: two decisions cannot interleave between the check and the claim.
        """
        decision = read_decision(args)
        if (again := sent_before(self._before.ended.get(decision.gate), verb, decision)) is not None:
            return again
        state = self._state_of(decision.gate)
        claimed = Claimed(verb=verb, decision=decision, at=workflow.now(), via=via)
        if state is None:
            self._keep_early(verb, claimed)
            return None
        check_decision(state.view, verb, decision)
        if state.claim is not None and state.view.approvals > 1 and verb in SEVERAL_SAY and state.claim.said.verb == verb:
            return state.queued(claimed)
        if state.claim is not None:
            raise Refused(f"{state.claim.said.decision.by} was first: {state.claim.said.verb} is being checked")
        return state.taken_by(claimed)

    def _state_of(self, name: str) -> OpenGateState | None:
        """The open gate of this name; None if it may open later. Raises `Refused` for a closed or unknown gate."""
        if name in self._open:
            return self._open[name]
        by_kind = [state for state in self._open.values() if state.view.kind == name]
        if len(by_kind) == 1:
            return by_kind[0]
        if name in self._ended:
            ended = self._ended[name]
            who = f" by {ended.by}" if ended.by else ""
            raise Refused(f"gate {name} is closed: {ended.verb}{who} at {ended.at:%Y-%m-%d %H:%M:%S} UTC")
        if (there := self._elsewhere(name)) is not None:
            raise Refused(f"gate {there.gate} is open in the child workflow {there.workflow_id}: send it there")
        if name in self._kinds or any(name == self.next_name(kind)[0] for kind in self._kinds):
            return None
        open_now = ", ".join(self._open) or "none is open"
        raise Refused(f"there is no gate {name!r} here; open gates: {open_now}")

    def _keep_early(self, verb: Verb, claimed: Claimed) -> None:
        """Keep a decision until its gate opens: a reject, or an approve that names its subject. Raises `Refused` for others."""
        name = claimed.decision.gate
        if verb == "reject" or (verb == "approve" and claimed.decision.subject is not None):
            if self._over:
                raise Refused(NEVER_OPENED)
            if any(same(one, claimed) for one in self._before.early):  # repeated by its sender after this run took over
                return
            check_early(self._early, claimed)
            self._early.append(claimed)
            return
        hint = "; with the subject's digest it would be kept" if verb == "approve" else ""
        raise Refused(f"gate {name} is not open yet{hint}. Send it again when `baton gates` shows it")

    def _next_kept(self, state: OpenGateState) -> None:
        """Let the next valid kept decision claim the gate. Invalid ones are refused and recorded."""
        while state.claim is None and state.kept:
            claimed = state.kept.pop(0)
            try:
                check_decision(state.view, claimed.verb, claimed.decision)
                state.taken_by(claimed)
            except Refused as error:
                self.refusals.record(
                    claimed.verb, (claimed.decision.model_dump(mode="json"),), str(error), claimed.via, kept=True
                )
