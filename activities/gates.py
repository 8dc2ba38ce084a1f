"""Gates on the activity side: opening them, and checking a decision before it counts."""

from datetime import UTC, datetime

from sqlalchemy import Connection
from temporalio import activity

from activities.beating import committed
from activities.commit import commit_riders
from activities.failpoints import reach
from activities.policy import Policy
from contracts.base import digest_of
from contracts.errors import Refused
from contracts.gates import AdmitDecision, Claimed, Decided, GateView, Intent, OpenGate, Refusal
from contracts.runs import Note
from ledger import actions, artifacts, gates
from ledger.db import Ledger


class Gates:
    """The activities `open_gate` and `admit_decision`."""

    def __init__(self, ledger: Ledger, policy: Policy) -> None:
        self._ledger = ledger
        self._policy = policy

    @activity.defn
    async def open_gate(self, request: OpenGate) -> None:
        """Record an open gate and its feed line. Safe to call twice."""
        await committed(self._ledger.tx(self._open, request))

    def _open(self, connection: Connection, request: OpenGate) -> None:
        view = request.gate
        kept = artifacts.put(connection, self._ledger.files, request.subject.encode(), "application/json")
        artifacts.note_seen(connection, view.trace, view.path, kept.digest, f"subject of {view.gate}", untrusted=False)
        gates.open_gate(connection, request)
        commit_riders(connection, request, [_open_line(view)])

    @activity.defn
    async def admit_decision(self, request: AdmitDecision) -> Decided:
        """Check a claimed decision; write decision, feed line and the actions it approves in one transaction.

        `won` is False where it does not count, with the reason; the gate is open again then. Without a claim the gate is
        closed as expired or cancelled. Called again it gives back what was recorded first.
        """
        decided = await committed(self._ledger.tx(self._admit, request))
        reach("gate.before_completion")
        return decided

    def _admit(self, connection: Connection, request: AdmitDecision) -> Decided:
        claim = request.claim
        if claim is None:
            outcome = gates.expire(connection, request.gate, request.closes, datetime.now(UTC))
            commit_riders(connection, request, [_closed_line(request.gate, outcome)])
            return outcome
        refused = self._policy.refuses(request.policy, claim.verb, claim.decision.by, request.owner)
        intents = gates.intents(connection, request.gate.trace, request.gate.gate)
        if refused is None and claim.verb == "approve":
            refused = _conflict(connection, intents)
        if refused is None:
            outcome = gates.win(connection, request, claim, authenticated=False)
            if outcome.won and outcome.verb == "approve":
                outcome = outcome.model_copy(update={"intents": _approve_intents(connection, request, intents)})
        else:
            outcome = gates.decided(claim, request.gate, authenticated=False, refused=refused)
        refused = outcome.reason or _decided_before(claim, outcome)
        if refused:
            gates.refuse(connection, request.gate.trace, _refusal(request.gate, claim, refused))
        commit_riders(connection, request, [_decision_line(request.gate, claim, outcome, refused)])
        return outcome


def _conflict(connection: Connection, intents: list[Intent]) -> str | None:
    """Why one of these actions may not be meant, or None."""
    try:
        for intent in intents:
            actions.check(connection, intent)
    except Refused as error:
        return str(error)
    return None


def _approve_intents(connection: Connection, request: AdmitDecision, intents: list[Intent]) -> tuple[str, ...]:
    """Write the actions of an approval that counts. Only after it has won: a decision that lost must approve nothing."""
    for intent in intents:
        actions.propose(connection, intent, trace=request.gate.trace, gate=request.gate.gate, state="approved")
    return tuple(intent.key for intent in intents)


def _open_line(view: GateView) -> Note:
    until = f"{view.deadline:%Y-%m-%d %H:%M} UTC"
    return Note(
        key=f"{view.trace}/gate/{view.gate}/open",
        at=view.opened_at,
        stage=view.kind,
        did=f"opened gate {view.gate}: {view.title}",
        why="; ".join(view.facts)[:1000],
        next=f"waits for {' or '.join(view.verbs)} until {until}; {view.on_expiry}",
        inputs=(view.subject,),
    )


def _refusal(view: GateView, claim: Claimed, reason: str) -> Refusal:
    said = claim.decision
    key = digest_of("refused", view.trace, view.gate, claim.verb, said.by, claim.at.isoformat())
    return Refusal(key=key, at=claim.at, verb=claim.verb, gate=view.gate, by=said.by, reason=reason, via=claim.via)


def _decided_before(claim: Claimed, outcome: Decided) -> str:
    """Why this claim did not decide the gate although it is decided, or "". The run can have been set back to before it."""
    if (outcome.verb, outcome.by, outcome.at) == (claim.verb, claim.decision.by, claim.at):
        return ""
    return f"{outcome.verb} by {outcome.by} was recorded before and stands"


def _decision_line(view: GateView, claim: Claimed, outcome: Decided, refused: str) -> Note:
    return Note(
        key=f"{view.trace}/gate/{view.gate}/{claim.at.isoformat()}/{claim.decision.by}/{not refused}",
        at=claim.at,
        stage=view.kind,
        actor=claim.decision.by,
        channel=claim.decision.channel or claim.via,
        authenticated=outcome.authenticated,
        did=f"tried to {claim.verb} at {view.gate} and was refused" if refused else f"{claim.verb} at {view.gate}",
        why=refused or claim.decision.note,
        next="the run goes on" if outcome.won else "the gate stays open",
        inputs=(view.subject,),
    )


def _closed_line(view: GateView, outcome: Decided) -> Note:
    whys = {"expired": "nobody decided before the deadline", "cancelled": "the run ended while it was open"}
    return Note(
        key=f"{view.trace}/gate/{view.gate}/closed",
        at=outcome.at,
        stage=view.kind,
        did=f"closed gate {view.gate}: {outcome.verb}",
        why=whys.get(outcome.verb) or f"{outcome.by} had decided it in time",
        next="the run goes on with that outcome",
    )
