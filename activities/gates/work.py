"""What a person hands in at a gate `work` is checked before it counts: the gate stays open for another try."""

from dataclasses import dataclass

from activities.repositories.handed_in import HandedIn
from contracts.errors import Refused
from contracts.gate_requests import AdmitDecision
from contracts.hand_in import problem_with
from ledger.artifacts import ArtifactDamaged
from ledger.db import Ledger
from ledger.handed_in import patch_of


@dataclass(frozen=True)
class Handed:
    """What was found out about it: why it does not count, or the state that its patch leaves the step's files in."""

    problem: str | None = None
    state: bytes | None = None


async def looked_at(request: AdmitDecision, files: HandedIn | None, ledger: Ledger) -> Handed:
    """Check what a claim hands in; nothing is found out about any other claim. Without `files` no patch is taken."""
    work, claim = request.gate.work, request.claim
    if work is None or claim is None or claim.verb != "answer":
        return Handed()
    if problem := problem_with(work.returns, claim.decision.made):
        return Handed(problem)
    if not claim.decision.patch:
        return Handed()
    if files is None or work.workspace is None:
        return Handed("this step takes no patch")
    try:
        patch = await ledger.read(patch_of, ledger.files, request.gate, claim.decision.patch)
        return Handed(state=await files.state(work.workspace, patch))
    except (Refused, ArtifactDamaged) as error:
        return Handed(str(error))
