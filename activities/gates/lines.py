"""Texts of the feed lines of this room, in one place."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from activities.gates.comparison import Change
from activities.gates.mending import Planned
from contracts.base import digest_of
from contracts.gate_requests import AdmitDecision
from contracts.gates import Claimed, Decided, GateView
from contracts.known import Known
from contracts.notices import Occasion
from contracts.printed import command
from contracts.runs import WHEN_WRITTEN, Note
from contracts.text import amount, one_line
from contracts.work import digest_of_made
from ledger.condemnations import Condemnation
from ledger.condemnations import How as Said
from ledger.policies import How, Proposal
from ledger.views.condemned import Standing
from ledger.views.impact import Effect


def opened(view: GateView, who: Sequence[str]) -> Note:
    """A gate opened, at which `who` is asked."""
    until = f"{view.deadline:%Y-%m-%d %H:%M} UTC"
    return Note(
        key=f"{view.trace}/gate/{view.gate}/open",
        at=view.opened_at,
        stage=view.kind,
        did=f"opened gate {view.gate}: {view.title}",
        why="; ".join(view.facts)[:1000],
        next=f"waits for {' or '.join(view.verbs)} until {until}; {view.on_expiry}",
        inputs=(view.subject,),
        tells=_asks(view, who),
    )


def _asks(view: GateView, who: Sequence[str]) -> Occasion:
    return view.occasion("parked" if view.kind == "ceiling" else "gate_opened", who)


def opened_again(view: GateView, run_id: str, counted: Row[Any] | None, who: Sequence[str]) -> Note:
    """A gate opened again in the run that replaces a reset one; `counted` is the decision that no longer counts."""
    before = f"; {counted.verb} by {counted.by} no longer counts, unless it is applied again" if counted else ""
    return Note(
        key=f"{view.trace}/gate/{view.gate}/again/{run_id}",
        at=WHEN_WRITTEN,
        stage=view.kind,
        did=f"opened gate {view.gate} again: {view.title}",
        why=f"the run was reset, and run {run_id} replaces it{before}",
        next=f"waits for {' or '.join(view.verbs)} until {view.deadline:%Y-%m-%d %H:%M} UTC; {view.on_expiry}",
        inputs=(view.subject,),
        tells=_asks(view, who),
    )


def counts_again(request: AdmitDecision, claim: Claimed, outcome: Decided, known: Known = "") -> Note:
    """A decision counts again: applied again by Temporal after a reset, or by a retry of what had been done."""
    return Note(
        key=f"{request.gate.trace}/gate/{request.gate.gate}/stands/{request.run.run_id}",
        at=claim.at,
        stage=request.gate.kind,
        actor=claim.decision.by,
        channel=claim.decision.channel or claim.via,
        authenticated=outcome.authenticated and claim.decision.signature is not None,
        known=known,
        did=f"{claim.verb} at {request.gate.gate} counts again",
        why=f"it is the decision of {outcome.at:%Y-%m-%d %H:%M:%S} UTC, applied again in run {request.run.run_id}",
        next="the run goes on",
        inputs=(request.gate.subject,),
    )


def decided(view: GateView, claim: Claimed, outcome: Decided, refused: str, known: Known = "") -> Note:
    """A person sent a decision; `refused` says why it did not count, "" that it did. `known`: how the console knew them."""
    said = claim.decision
    # Left out where there is none: a retry finds the line that an earlier release has written.
    more = [one for one in (said.reference, digest_of_made(said.made, said.patch)) if one]
    content = digest_of(claim.verb, said.by, said.note, view.subject, json.dumps(said.answers or {}), *more)[:16]
    return Note(
        key=f"{view.trace}/gate/{view.gate}/{claim.mark}/{content}/{not refused}",
        at=claim.at,
        stage=view.kind,
        actor=claim.decision.by,
        channel=claim.decision.channel or claim.via,
        # What stands may be another decision than this one, which says the same and was shown in another way.
        authenticated=outcome.authenticated and said.signature is not None and not refused,
        known="" if refused else known,
        did=_said(view, claim, outcome, refused),
        why=refused or claim.decision.note,
        next="the run goes on" if outcome.won else _goes_on(view, outcome),
        # Who sends an update has the reason as its answer. Who sends a signal goes away and believes that it counts.
        importance="alert" if refused and claim.via == "signal" else "overview",
        inputs=(view.subject,),
    )


def _said(view: GateView, claim: Claimed, outcome: Decided, refused: str) -> str:
    if refused:
        return f"tried to {claim.verb} at {view.gate} and was refused"
    of = f" ({len(outcome.approved_by)} of {view.approvals}: {', '.join(outcome.approved_by)})" if outcome.approved_by else ""
    referred = f" (reference {outcome.reference})" if outcome.reference else ""
    return f"{claim.verb} at {view.gate}{of}{referred}"


def _goes_on(view: GateView, outcome: Decided) -> str:
    """Why the gate stays open."""
    if not outcome.counts:
        return "the gate stays open"
    shown = view.model_copy(update={"approved_by": outcome.approved_by})
    return f"the gate stays open: {shown.so_far}; somebody else has to {outcome.verb} as well"


def closed(request: AdmitDecision, outcome: Decided) -> Note:
    """A gate closed without a decision of this run."""
    view = request.gate
    whys = {
        "expired": "nobody decided before the deadline",
        "cancelled": "the run ended while it was open",
        "released": "there is room again for the call that waited",
    }
    if view.kind == "held":
        whys["released"] = "what keeps the run is looked at again"
    return Note(
        key=f"{view.trace}/gate/{view.gate}/closed/{request.run.run_id}",
        at=outcome.at,
        stage=view.kind,
        did=f"closed gate {view.gate}: {outcome.verb}" + (f"; {view.so_far}" if view.approved_by else ""),
        why=whys.get(outcome.verb) or f"{outcome.by} had decided it in time",
        next="the run goes on with that outcome",
        tells=_unanswered(request) if outcome.verb == "expired" else None,
    )


def _unanswered(request: AdmitDecision) -> Occasion:
    """Nobody decided: whoever was asked should know. Its deadline is over, and is none any more."""
    who = request.policy.who
    return request.gate.occasion("expired", who).model_copy(update={"deadline": None})


def policy_in_force(nth: int, digest: str, how: How, why: str, changes: Sequence[Change], waiting: Sequence[Change]) -> Note:
    """A policy came into force: what is different, and what its file loosens that nobody has approved."""
    said = {
        "found": "took the policy file as it is: it is the first one",
        "tightened": "the policy is stricter now",
        "merged": "the policy file loosens something that nobody has approved: the stricter entries stay",
        "approved": "an approved policy is in force",
    }
    different = "; ".join(f"{one.how}: {one}" for one in changes if one.how != "changed") or "nothing else is different"
    then = (
        f"waiting for approval: {'; '.join(map(str, waiting))}; `baton policy propose`" if waiting else "it holds for new runs"
    )
    return Note(
        key=f"policy/{nth}",
        at=WHEN_WRITTEN,
        stage="policy",
        actor="policy",
        did=f"{said[how]} (policy {nth}, {digest[:12]})",
        why=f"{different}; from {why}"[:2000],
        next=then[:2000],
        importance="alert" if waiting else "overview",
    )


def policy_proposed(proposal: Proposal, owners: Sequence[str]) -> Note:
    """Somebody proposed a looser policy, which its owners may approve."""
    return Note(
        key=f"policy/proposal/{proposal.id}",
        at=proposal.at,
        stage="policy",
        actor=proposal.by,
        did=f"proposed a looser policy ({proposal.id}): {'; '.join(proposal.changes)}"[:2000],
        why=proposal.why,
        next=f"its owners approve it with `{command('policy approve', proposal.id)}`; until then nothing changes",
        importance="alert",
        tells=Occasion(kind="policy_proposed", about=proposal.id, who=tuple(owners)),
    )


def policy_approved(proposal: Proposal, by: str, missing: int) -> Note:
    """One of its owners approved a looser policy."""
    others = f"{missing} more {'has' if missing == 1 else 'have'} to" if missing else "it is in force"
    return Note(
        key=f"policy/proposal/{proposal.id}/by/{by}",
        at=WHEN_WRITTEN,
        stage="policy",
        actor=by,
        did=f"approved policy proposal {proposal.id}: {'; '.join(proposal.changes)}"[:2000],
        why=proposal.why,
        next=others,
    )


def key_revoked(key: str, whose: str, by: str, why: str) -> Note:
    """A key does not count any more."""
    return Note(
        key=f"policy/key/{key}/revoked",
        at=WHEN_WRITTEN,
        stage="policy",
        actor=by,
        did=f"revoked key {key}" + (f" of {whose}" if whose else ""),
        why=why,
        next="what it signs from now on is refused, and nothing is executed on it; that cannot be taken back",
        importance="alert",
    )


def policy_refused(name: str, by: str, why: str) -> Note:
    """Somebody tried to approve a looser policy."""
    at = datetime.now(UTC)
    return Note(
        key=f"policy/refused/{digest_of(name, by, why, at.isoformat())[:16]}",
        at=WHEN_WRITTEN,
        stage="policy",
        actor=by,
        did=f"tried to approve policy proposal {name} and was refused",
        why=why,
        next="nothing changed",
    )


def condemned(standing: Standing, fresh: int, who: Sequence[str]) -> Note:
    """Somebody condemned something; `who` may say what becomes of it."""
    one, held, left = standing.condemnation, _held(standing), amount(len(standing.reach.left), "action")
    return Note(
        key=f"condemned/{one.id}",
        at=one.at,
        stage="condemned",
        actor=one.by,
        did=f"condemned {one.what} ({one.id}; {amount(fresh, 'thing')})",
        why=one.why,
        next=f"held: {held}; executed and to be settled: {left}",
        importance="alert",
        # Not what was condemned: people choose it by words that an agent, or a file, may have put there.
        tells=Occasion(kind="condemned", about=one.id, what=f"{held} held; {left} to settle", who=tuple(who)),
    )


def _held(standing: Standing) -> str:
    reach = standing.reach
    counts = (amount(len(reach.runs), "open run"), amount(len(reach.gates), "gate"), amount(len(reach.pending), "action"))
    return ", ".join(counts)


def proposed(one: Condemnation, planned: Sequence[Planned], by: str = "") -> Note:
    """What takes back what has happened was proposed; or why it could not be."""
    made = [each.prepared.intent.key for each in planned if each.prepared is not None]
    return Note(
        key=f"condemned/{one.id}/proposed/{digest_of(*made)[:16]}",
        at=WHEN_WRITTEN,
        stage="condemned",
        actor=by or one.by,
        did=f"proposed {amount(len(made), 'action')} to take back what came from {one.what} ({one.id})"[:2000],
        why=one_line("; ".join(["policy names what takes it back", *(each.problem for each in planned if each.why)]), 1000),
        next="a person starts each, or declines it (`baton actions list --state proposed`)" if made else "",
        inputs=tuple(made[:100]),
    )


def proposal_declined(key: str, summary: str, since: datetime, by: str, why: str) -> Note:
    """Somebody declined what was proposed."""
    return Note(
        key=f"condemned/declined/{key}/{since.timestamp()}",
        at=WHEN_WRITTEN,
        stage="condemned",
        actor=by,
        did=f"declined what was proposed: {summary}"[:2000],
        why=why,
        next="nothing was done, and what it would take back stays",
        inputs=(key,),
    )


def condemnation_undone(before: Standing, by: str, why: str, who: Sequence[str], withdrawn: int) -> Note:
    """Somebody took a condemnation back; `who` may say what becomes of what it held."""
    one = before.condemnation
    return Note(
        key=f"condemned/{one.id}/undone",
        at=WHEN_WRITTEN,
        stage="condemned",
        actor=by,
        did=f"undid the condemnation of {one.what} ({one.id})",
        why=why,
        next="what it alone held goes on" + (f"; withdrawn: {amount(withdrawn, 'proposed action')}" if withdrawn else ""),
        importance="alert",
        tells=Occasion(kind="condemnation_undone", about=one.id, what=f"{_held(before)} may go on", who=tuple(who)),
    )


def condemned_settled(one: Condemnation, effect: Effect, how: Said, by: str, note: str, reference: str) -> Note:
    """Somebody said what became of an action that had come from something condemned."""
    did = {"done": "made good", "declined": "leaves as it is", "goes_on": "lets happen all the same"}[how]
    return Note(
        key=f"condemned/{one.id}/{effect.key}",
        at=WHEN_WRITTEN,
        stage="condemned",
        actor=by,
        did=f"{did}: {effect.summary} (run {effect.run}), which came from {one.what} ({one.id})"[:2000],
        why=note,
        next=reference and f"reference {reference}",
        inputs=(effect.key,),
    )
