"""What a person hands in at a gate `work` is checked before it counts: the gate stays open for another try. Pure."""

from contracts.gates import AdmitDecision, Claimed
from contracts.hand_in import problem_with


def unfit(request: AdmitDecision, claim: Claimed) -> str | None:
    """Why this cannot be the result of the step that the gate is about, or None. At any other gate None."""
    work = request.gate.work
    if work is None or claim.verb != "answer":
        return None
    return problem_with(work.returns, claim.decision.made) or None
