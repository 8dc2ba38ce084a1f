"""A gate: wait for a person, with a deadline, a reminder, and an outcome if nobody answers. Silence never approves."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Literal

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.gates.gates import Gates
from contracts.gate_requests import AdmitDecision, OpenGate
from contracts.gates import VERBS, Decided, GatePolicy, GateView
from contracts.runs import RunState
from search_attributes import GATE_DEADLINE
from workflows.kit.asks import tell_root
from workflows.kit.claims import OpenGateState
from workflows.kit.details import gate_text
from workflows.kit.kit import Kit, within
from workflows.kit.options import LEDGER
from workflows.kit.received import came_before
from workflows.kit.rulings import assessed, policy_at
from workflows.kit.shown import show_closed, show_open, show_standing
from workflows.kit.standing import answered_by, waiting_state
from workflows.kit.views import Ask as Ask  # who asks needs no other module
from workflows.kit.views import view_of


def never() -> bool:
    """Never release a gate: it stays open until it is decided or expires."""
    return False


async def gate(kit: Kit, ask: Ask) -> Decided:
    """Open a gate and return how it ended: a verb of its kind, or `expired`. Raises `Stopped` if the run stops meanwhile.

    A decision that Temporal received before the deadline counts, even if it is seen, or its check ends, later. Cancelling the
    run closes the gate as cancelled.
    """
    step = kit.chain.begin(lambda: f"gate:{ask.kind}")
    if step.known is not None:
        return _decided(kit, ask, await kit.chain.recall(step, Decided))
    await kit.chain.safe_point()
    kit.check_stopped()
    decided = await hold(kit, ask, lambda: bool(kit.parking.stopped))
    if decided.verb == "released":
        kit.check_stopped()
    step.result = decided
    return _decided(kit, ask, decided)


def _decided(kit: Kit, ask: Ask, decided: Decided) -> Decided:
    """Remember the actions that an approval has shown, so that `perform` need not ask again."""
    if decided.verb == "approve":
        kit.shown = ask.intents
    return decided


async def hold(kit: Kit, ask: Ask, released: Callable[[], bool] = never) -> Decided:
    """Like `gate`, but in parallel to the story, not as a step. Closes as `released` once `released()` is true."""
    policy, riding, whys = policy_at(kit, ask)
    # Whoever lets something go on sees what it rests on. Nobody does at gates about money or questions.
    doubts = kit.grounds.doubts if {"approve", "done"} & set(VERBS[ask.kind]) else ()
    ask = replace(
        ask, facts=(*ask.facts, *doubts, *_unmetered(kit, ask), *whys), risk=ask.risk or str(assessed(kit, ask.about, riding))
    )
    view = view_of(kit, ask, policy)
    state = kit.inbox.open(view)
    before = kit.state
    _waits_at(kit, view)
    try:
        request = OpenGate(
            run=kit.ref,
            gate=view,
            policy=policy,
            policy_digest=kit.pins.policy_digest,
            subject=ask.subject,
            intents=riding,
        )
        opened = await kit.do_now(Gates.open_gate, request, f"gate: open {view.gate}", **LEDGER)
        view = state.view = view.knowing(opened.facts, opened.signs)
        if kit.in_order:
            show_standing(kit)
        else:
            show_open(kit, view)
        await tell_root(kit, view.gate, view)
        decided = await _wait(kit, state, policy, request, released)
    except (asyncio.CancelledError, ActivityError) as error:
        # A cancelled activity raises its own error. Shielded: closing takes an activity, which would be cancelled as well.
        if is_cancelled_exception(error):
            await asyncio.shield(_cancelled(kit, state, policy))
        else:
            _abandoned(kit, state, str(error))
        raise
    kit.inbox.close(state, decided)
    await _closed(kit, view, decided.verb, before)
    kit.tell(f"{decided.verb} at {view.gate}" + (f" by {decided.by}" if decided.by else ""), decided.note)
    # Let the update handler answer its sender first: a run that ends drops unfinished handlers.
    await workflow.wait_condition(workflow.all_handlers_finished)
    return decided


def _unmetered(kit: Kit, ask: Ask) -> tuple[str, ...]:
    """That no amount of money shown is all of it, where outside programs take part, and which of the work is theirs."""
    names = ", ".join(kit.unmetered)
    if not names or not {"approve", "done", "raise_ceiling"} & set(VERBS[ask.kind]):
        return ()
    return (f"unmetered: {names} may be an outside program: what it costs is unknown, and in no amount", *kit.grounds.programs)


def _waits_at(kit: Kit, view: GateView) -> None:
    if kit.in_order:
        kit.move("working")  # it is open already, and a run waits at its first open gate
    else:
        kit.move(waiting_state(view), waiting_for=view.gate, next=answered_by(view))


async def _closed(kit: Kit, view: GateView, how: str, before: RunState) -> None:
    """Show that the gate has closed, or the one that is still open: parallel steps and children may each have one."""
    other = kit.waiting_view()
    if kit.in_order:
        kit.move("working", next="the run continues")
        show_standing(kit, f"{view.gate}:{how}")
    elif other is None:
        kit.move(before if before not in ("waiting", "parked", "held") else "working", next="the run continues")
        show_closed(kit, view.gate, how, "working")
    else:
        _waits_at(kit, other)
        show_open(kit, other)
    await tell_root(kit, view.gate, None)


async def _wait(kit: Kit, state: OpenGateState, policy: GatePolicy, request: OpenGate, released: Callable[[], bool]) -> Decided:
    """Wait until a decision wins, the last deadline passes, or the gate is released."""
    view = state.view
    ends, remind = view.deadline, None if policy.reminder is None else view.opened_at + policy.reminder
    escalation = list(policy.escalation) if policy.expiry == "escalate" else []
    while True:
        await _open_again(kit, state, request)
        # The claim before the deadline: if both are seen at once, the decision may well have been sent in time.
        if state.claim is not None and await came_before(kit, state, state.claim, ends):
            decided = await _admit(kit, state, policy)
            if decided.won:
                return decided
        elif released():
            return await _close(kit, state, policy, "released")
        elif workflow.now() >= ends:
            if not escalation:
                return await _close(kit, state, policy, "expired")
            who = escalation.pop(0)
            policy, ends = _escalated(policy, who), workflow.now() + policy.deadline
            remind = None if policy.reminder is None else workflow.now() + policy.reminder
            kit.note(
                f"escalated {view.gate} to {who}",
                "nobody decided before the deadline",
                f"now until {ends:%Y-%m-%d %H:%M} UTC",
                tells=view.occasion("escalation", (who,), ends),
            )
            kit.show(GATE_DEADLINE.value_set(ends))
            await tell_root(kit, view.gate, state.view.model_copy(update={"deadline": ends}))
            await kit.flush()  # now: the next activity may be days away
        elif remind is not None and workflow.now() >= remind:
            remind = None
            kit.note(
                f"reminded of {view.gate}",
                view.title,
                f"{view.on_expiry} at {ends:%Y-%m-%d %H:%M} UTC",
                tells=view.occasion("reminder", policy.who, ends),
            )
            await kit.flush()
        else:
            await _until_claimed(state, min(ends, remind) if remind else ends, released)


async def _open_again(kit: Kit, state: OpenGateState, request: OpenGate) -> None:
    """Reopen the gate in the ledger if the run was reset to a point at which it was open."""
    seed, view = workflow.random_seed(), state.view
    if seed == state.seed:
        return
    state.seed = seed
    # Nobody has said yes yet in this run: what was said before the reset counts where Temporal applies it again.
    state.view = view.model_copy(update={"approved_by": ()}) if view.approved_by else view
    _waits_at(kit, view)
    await kit.do_now(Gates.open_gate, request, f"gate: open {view.gate} again", **LEDGER)


async def _until_claimed(state: OpenGateState, latest: datetime, released: Callable[[], bool]) -> None:
    summary = f"{state.view.gate}: {state.view.on_expiry}"
    try:
        # A reset changes the random seed, which must end the wait: the ledger has to be told that the gate is open again.
        over = lambda: state.claimed_or_reset or released()  # noqa: E731
        await workflow.wait_condition(over, timeout=within(latest), timeout_summary=summary)
    except TimeoutError:
        return


def _escalated(policy: GatePolicy, who: str) -> GatePolicy:
    """The policy with one more person who may decide."""
    return policy.model_copy(update={"who": (*policy.who, who)})


async def _admit(kit: Kit, state: OpenGateState, policy: GatePolicy) -> Decided:
    """Check the claim in the ledger, then acknowledge it. A refused claim reopens the gate."""
    claim = state.claim
    assert claim is not None
    request = AdmitDecision(run=kit.ref, gate=state.view, policy=policy, claim=claim.said, owner=kit.pins.owner)
    decided = await kit.do_now(
        Gates.admit_decision, request, f"gate: check {claim.said.verb} by {claim.said.decision.by}", **LEDGER
    )
    kit.inbox.answer(state, decided)
    if decided.held and not kit.holding.asks:
        await kit.holding.again()  # the signal that says so has not come
    if decided.counts:
        await _counts(kit, state, decided)
    return decided


async def _counts(kit: Kit, state: OpenGateState, decided: Decided) -> None:
    """Show that somebody has said yes, and that others have to as well."""
    view = state.view = state.view.model_copy(update={"approved_by": decided.approved_by})
    if kit.waiting_view() is view:
        kit.tell(*gate_text(view))
    await tell_root(kit, view.gate, view)


def _closing(
    kit: Kit, state: OpenGateState, policy: GatePolicy, closes: Literal["expired", "cancelled", "released"]
) -> AdmitDecision:
    """The request that closes the gate without a decision."""
    return AdmitDecision(run=kit.ref, gate=state.view, policy=policy, claim=None, owner=kit.pins.owner, closes=closes)


async def _close(kit: Kit, state: OpenGateState, policy: GatePolicy, closes: Literal["expired", "released"]) -> Decided:
    request = _closing(kit, state, policy, closes)
    return await kit.do_now(Gates.admit_decision, request, f"gate: close {state.view.gate}", **LEDGER)


def _abandoned(kit: Kit, state: OpenGateState, why: str) -> None:
    """Close the gate because decisions can no longer be recorded; a waiting sender is told."""
    gate = state.view.gate
    kit.inbox.close(state, Decided(gate=gate, won=False, verb="cancelled", at=workflow.now(), reason=why[:1000]))


async def _cancelled(kit: Kit, state: OpenGateState, policy: GatePolicy) -> None:
    """Close the gate of a cancelled run; a waiting sender is told what is on record, also that the decision was in time."""
    request = _closing(kit, state, policy, "cancelled")
    try:
        decided = await workflow.execute_activity_method(
            Gates.admit_decision, request, summary=f"gate: cancel {state.view.gate}", **LEDGER
        )
    except ActivityError as error:
        workflow.logger.warning("gate %s could not be closed: %s", state.view.gate, error)
        decided = Decided(gate=state.view.gate, won=False, verb="cancelled", at=workflow.now(), reason="the run was cancelled")
    # Recorded before the cancellation arrived, while it was being checked: nobody is told that it did not count.
    if state.claim is not None and (decided.verb, decided.by) == (state.claim.said.verb, state.claim.said.decision.by):
        kit.inbox.answer(state, decided)
    kit.inbox.close(state, decided)
    show_closed(kit, state.view.gate, "cancelled", "cancelled")
    await workflow.wait_condition(workflow.all_handlers_finished)
