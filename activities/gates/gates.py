"""Gates on the activity side: opening them, and checking a decision before it counts."""

import contextlib
from datetime import datetime

from sqlalchemy import Connection
from temporalio import activity

from activities.gates import from_console, lines, signatures
from activities.gates.condemning import held_at, not_approved
from activities.gates.facts import added_facts
from activities.gates.four_eyes import counted_as, everybody
from activities.gates.origins import from_outside
from activities.gates.standing import InForce
from activities.gates.work import Handed, looked_at
from activities.repositories.handed_in import HandedIn
from activities.running.commit import commit_riders
from activities.running.failpoints import reach
from activities.running.heartbeat import committed
from contracts.base import digest_of
from contracts.errors import Refused
from contracts.gate_requests import AdmitDecision, Opened, OpenGate
from contracts.gates import Claimed, Decided, GateView, Refusal
from contracts.intents import Intent
from contracts.money import micros
from contracts.receipts import receipt_of
from contracts.risk import Sign
from contracts.runs import Note
from contracts.work import digest_of_made
from ledger import actions, artifacts, gate_actions, gates, resets
from ledger.db import Ledger, instant
from ledger.money import ceilings
from ledger.money.ceilings import Change

UNKNOWN_GATE = (
    "this ledger does not know the gate; was it restored from an older backup? Nothing was decided. Restore the newest backup, "
    "or reset the run to before the gate (`temporal workflow reset`), which opens it again"
)
"""Why a decision does not count where the gate that it is about is in no row."""


class Gates:
    """The activities `open_gate` and `admit_decision`."""

    def __init__(self, ledger: Ledger, policy: InForce, files: HandedIn | None = None) -> None:
        """`policy` says who somebody is and which roles they have, as it is in force when they decide.

        `files` takes the patches that people hand in; without it they are refused.
        """
        self._ledger = ledger
        self._policy = policy
        self._files = files

    @activity.defn
    async def open_gate(self, request: OpenGate) -> Opened:
        """Record that a gate is open, or open again after a reset, with its feed line. Safe to call twice."""
        # Not in the transaction, which others wait for: it may search much text.
        facts, signs = await self._ledger.read(self._from_outside, request) if request.intents else ((), ())
        return await committed(self._ledger.tx(self._open, request, facts, signs))

    def _from_outside(self, connection: Connection, request: OpenGate) -> tuple[tuple[str, ...], tuple[Sign, ...]]:
        return from_outside(connection, self._ledger.files, request, self._policy.now(connection).adapters())

    def _open(self, connection: Connection, request: OpenGate, facts: tuple[str, ...], signs: tuple[Sign, ...]) -> Opened:
        added = (*added_facts(connection, request.gate, request.subject), *facts)
        view = request.gate.knowing(added, signs)
        request = request.model_copy(update={"gate": view})
        kept = artifacts.put(connection, self._ledger.files, request.subject.encode(), "application/json")
        artifacts.note_seen(connection, view.trace, view.path, kept.digest, f"subject of {view.gate}", untrusted=False)
        # Before the row is written: afterwards the gate belongs to this run, and nothing shows that it was reopened.
        again = resets.whose(connection, view, request.run.run_id) == "newer"
        counted = gates.open_gate(connection, request)
        if view.ceiling is not None:
            ceilings.trip_open(connection, view.trace, view.gate, view.project, view.ceiling)
        who = request.policy.who
        told = lines.opened_again(view, request.run.run_id, counted, who) if again else lines.opened(view, who)
        commit_riders(connection, request, [told])
        return Opened(facts=added, signs=signs)

    @activity.defn
    async def admit_decision(self, request: AdmitDecision) -> Decided:
        """Check a claimed decision; commit decision, feed line and the actions that it approves in one transaction.

        `won` is False, with the reason, if it does not count: the gate is then open again. Without a claim the gate is closed
        as `closes` says. Called again it returns what was recorded first.
        """
        # Not in the transaction, which others wait for: it may apply a patch.
        handed = await looked_at(request, self._files, self._ledger)
        decided = await committed(self._ledger.tx(self._admit, request, handed))
        reach("gate.before_completion")
        return decided

    def _admit(self, connection: Connection, request: AdmitDecision, handed: Handed) -> Decided:
        claim, own = request.claim, list[Note]()
        # Locks the gate's row until the commit: a decision and the deadline must not both close it.
        standing = resets.whose(connection, request.gate, request.run.run_id)
        if standing == "older":
            return _superseded(request, instant(connection))
        if standing == "newer":
            counted = resets.reopen(connection, request.gate, request.run.run_id, {})
            own.append(lines.opened_again(request.gate, request.run.run_id, counted, request.policy.who))
        if claim is None:
            outcome = gates.expire(connection, request.gate, request.closes, instant(connection))
            ceilings.trip_closed(connection, request.gate.trace, request.gate.gate, outcome.verb, outcome.by)
            if not outcome.by:  # otherwise a decision was recorded in time, and has already settled the actions
                _end_intents(connection, request.gate, outcome)
            commit_riders(connection, request, [*own, lines.closed(request, outcome)])
            return outcome
        return self._decide(connection, request, claim, own, handed)

    def _decide(
        self, connection: Connection, request: AdmitDecision, claim: Claimed, own: list[Note], handed: Handed
    ) -> Decided:
        refused = None if gates.is_known(connection, request.gate) else UNKNOWN_GATE
        policy = self._policy.now(connection)
        refused = refused or policy.refuses(
            request.policy, claim.verb, claim.decision.by, request.owner, works=request.gate.work is not None
        )
        refused = refused or _too_much(request, claim)
        refused = refused or handed.problem
        proof = from_console.proof(connection, request.gate, claim)
        refused = refused or proof.refused
        intents = gate_actions.intents(connection, request.gate.trace, request.gate.gate)
        refused = refused or signatures.refuses(connection, policy, request.gate, intents, claim, proof.known)
        signed = refused is None and claim.decision.signature is not None
        # Nobody else can decide meanwhile: `whose` has locked the gate.
        anew = gates.winner(connection, request.gate.trace, request.gate.gate) is None
        if refused is None and claim.verb in ("approve", "done") and anew:
            # Before it wins: if the action is not allowed, the gate stays open for another decision.
            refused = _conflict(connection, intents)
        held = _held(connection, request, claim) if refused is None and anew else None
        refused = refused or held
        counts = counted_as(connection, request, claim, signed=signed, known=proof.known) if refused is None and anew else None
        if counts is not None:
            outcome = counts
        elif refused is None:
            # It can still lose to an earlier decision, so nothing is approved before this returns.
            state = self._state(connection, request, handed)
            outcome = gates.win(connection, request, claim, authenticated=signed, known=proof.known, state=state)
            if outcome.won and request.policy.approvals > 1:
                outcome = outcome.model_copy(update={"approved_by": everybody(connection, request.gate, outcome)})
            if outcome.won and outcome.verb == "approve":
                outcome = outcome.model_copy(update={"intents": tuple(intent.key for intent in intents)})
                _approve_intents(connection, request, intents if anew else [])
            if outcome.won and anew:
                _end_intents(connection, request.gate, outcome)
            if outcome.won:
                _raise(connection, request, claim, outcome)
        else:
            outcome = gates.decided(claim, request.gate, authenticated=False, refused=refused)
            outcome = outcome.model_copy(update={"held": held is not None})
        refused = "" if outcome.counts else outcome.reason or _decided_before(claim, outcome)
        if refused:
            gates.refuse(connection, request.gate.trace, _refusal(request.gate, claim, refused))
        from_console.answered(connection, claim, proof, outcome, refused)
        own.append(lines.decided(request.gate, claim, outcome, refused, proof.known))
        if not refused and outcome.at < claim.at:
            own.append(lines.counts_again(request, claim, outcome, proof.known))
        commit_riders(connection, request, own)
        return outcome

    def _state(self, connection: Connection, request: AdmitDecision, handed: Handed) -> str:
        """The digest of the state that a patch leaves a step's files in, which is stored; "" without a patch."""
        if handed.state is None:
            return ""
        view, kept = request.gate, artifacts.put(connection, self._ledger.files, handed.state, "text/x-diff")
        name = f"patch at {view.gate}"
        artifacts.note_seen(connection, view.trace, view.path, kept.digest, name, untrusted=True, sources=("repo",))
        return kept.digest


def _held(connection: Connection, request: AdmitDecision, claim: Claimed) -> str | None:
    """Why what this gate shows may not be approved now, or None: it came from something condemned."""
    # At its gate `held` a person lets the run go on with it, or not.
    if claim.verb != "approve" or request.gate.kind == "held":
        return None
    found = held_at(connection, request.gate.trace, request.gate.gate)
    return not_approved(found) if found else None


def _too_much(request: AdmitDecision, claim: Claimed) -> str | None:
    """Why a ceiling may not be raised that far, or None."""
    most, wanted = request.policy.most_usd, claim.decision.to_usd
    if claim.verb != "raise_ceiling" or most is None or wanted is None or wanted <= most:
        return None
    return f"policy allows a run at most ${most}, not ${wanted}"


def _raise(connection: Connection, request: AdmitDecision, claim: Claimed, outcome: Decided) -> None:
    """Carry out a decision at a `ceiling` gate. Safe to call twice; a ceiling that was raised further stays so."""
    view, said = request.gate, claim.decision
    if view.ceiling is None:
        return
    ceilings.trip_closed(connection, view.trace, view.gate, outcome.verb, outcome.by)
    if outcome.verb == "raise_ceiling" and said.to_usd is not None:
        name = digest_of("raise", view.trace, view.gate, view.subject, said.by, str(said.to_usd))
        change = Change(name, view.ceiling.scope, micros(said.to_usd), said.by, said.note, said.channel or claim.via)
        # Refused if somebody has raised it as high meanwhile: then the decision has what it wanted.
        with contextlib.suppress(Refused):
            ceilings.raise_to(connection, change)


def _conflict(connection: Connection, intents: list[Intent]) -> str | None:
    """Why one of these actions is not allowed, or None."""
    try:
        for intent in intents:
            actions.check(connection, intent)
    except Refused as error:
        return str(error)
    return None


def _approve_intents(connection: Connection, request: AdmitDecision, intents: list[Intent]) -> None:
    """Write the actions of an approval. Call it only after the decision has won: one that lost must approve nothing.

    And only for a decision that is new: a late duplicate must not undo what has happened to an action since.
    """
    for intent in intents:
        actions.propose(connection, intent, trace=request.gate.trace, gate=request.gate.gate, state="approved")


def _end_intents(connection: Connection, view: GateView, outcome: Decided) -> None:
    """Record the end of the actions of an `action` or `draft` gate that did not let Baton carry them out.

    At a gate `held` that is all that was approved in the run: it stops.
    """
    if view.kind == "held" and not view.path and outcome.verb in ("reject", "expired"):
        actions.withdraw(connection, view.trace, f"the run was not let go on at {view.gate}")
    if view.kind not in ("action", "draft") or outcome.verb == "approve":
        return
    for intent in gate_actions.intents(connection, view.trace, view.gate):
        actions.end(connection, intent, receipt_of(intent, outcome), trace=view.trace, gate=view.gate)


def _superseded(request: AdmitDecision, at: datetime) -> Decided:
    """The answer to a run that another one has replaced. Nobody waits for it."""
    reason = "the run was reset, and its newer run decides here now"
    return Decided(gate=request.gate.gate, won=False, verb="cancelled", at=at, reason=reason)


def _refusal(view: GateView, claim: Claimed, reason: str) -> Refusal:
    said = claim.decision
    key = digest_of("refused", view.trace, view.gate, claim.verb, said.by, claim.mark, said.note)
    return Refusal(key=key, at=claim.at, verb=claim.verb, gate=view.gate, by=said.by, reason=reason, via=claim.via)


def _decided_before(claim: Claimed, outcome: Decided) -> str:
    """Why this claim did not decide the gate although the gate is decided; "" if it did."""
    said = claim.decision
    same = (outcome.verb, outcome.by, outcome.note, outcome.answers, outcome.reference, outcome.made)
    made = digest_of_made(said.made, said.patch)
    if same == (claim.verb, said.by, said.note, said.answers or {}, said.reference, made):
        return ""
    return f"{outcome.verb} by {outcome.by} was recorded earlier and stands"
