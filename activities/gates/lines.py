"""Texts of the feed lines of this room, in one place."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from activities.gates.comparison import Change
from contracts.base import digest_of
from contracts.gate_requests import AdmitDecision
from contracts.gates import Claimed, Decided, GateView
from contracts.notices import Occasion
from contracts.printed import command
from contracts.runs import WHEN_WRITTEN, Note
from contracts.work import digest_of_made
from ledger.policies import How, Proposal


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


def counts_again(request: AdmitDecision, claim: Claimed, outcome: Decided) -> Note:
    """A decision counts again: applied again by Temporal after a reset, or by a retry of what had been done."""
    return Note(
        key=f"{request.gate.trace}/gate/{request.gate.gate}/stands/{request.run.run_id}",
        at=claim.at,
        stage=request.gate.kind,
        actor=claim.decision.by,
        channel=claim.decision.channel or claim.via,
        authenticated=outcome.authenticated,
        did=f"{claim.verb} at {request.gate.gate} counts again",
        why=f"it is the decision of {outcome.at:%Y-%m-%d %H:%M:%S} UTC, applied again in run {request.run.run_id}",
        next="the run goes on",
        inputs=(request.gate.subject,),
    )


def decided(view: GateView, claim: Claimed, outcome: Decided, refused: str) -> Note:
    """A person sent a decision; `refused` says why it did not count, "" that it did."""
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
        # Of a refused one the outcome may be somebody else's decision, which stands.
        authenticated=outcome.authenticated and not refused,
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
