"""Gates that take more than one person: who has said yes so far, and that nobody is counted twice."""

from sqlalchemy import Connection

from activities.gates.policy import same_person
from contracts.gate_requests import AdmitDecision
from contracts.gates import SEVERAL_SAY, Claimed, Decided, GateView
from contracts.known import Known
from ledger import counting, gates


def counted_as(
    connection: Connection, request: AdmitDecision, claim: Claimed, *, signed: bool = False, known: Known = ""
) -> Decided | None:
    """Count a yes at an open gate that takes several, unless it is the last one that is needed.

    None: this decision closes the gate, or is not one that several people have to send. Else `counts` says that it counts and
    others have to say yes as well; without it `reason` says why it does not. Called again for the same decision it returns the
    same. `signed`: its signature was checked; `known`: how the console knew who decided. The caller has locked the gate: of two
    people who decide at once both are seen.
    """
    view, policy, by = request.gate, request.policy, claim.decision.by
    if policy.approvals == 1 or claim.verb not in SEVERAL_SAY:
        return None
    before = counting.counted(connection, view, claim.verb)
    if counting.counting_id(view, claim) in before:
        return _counts(view, claim, tuple(before.values()), signed=signed, known=known)
    if any(same_person(one, by) for one in before.values()):
        return _refused(view, claim, f"{by!r} has said {claim.verb} here already; it takes {policy.approvals} different people")
    # The answers go into the run like the rest of what is approved: all of them approve the same.
    said = counting.answers_of(claim)
    if other := next((one for one in counting.answers_counted(connection, view, claim.verb) if one != said), None):
        return _refused(
            view, claim, f"{before_named(before)} answered {other}; whoever approves as well has to answer the same"
        )
    if len(before) + 1 >= policy.approvals:
        return None
    if not counting.count(connection, view, claim, authenticated=signed, known=known):
        return _refused(view, claim, "this decision's nonce has been used before")
    return _counts(view, claim, (*before.values(), by), signed=signed, known=known)


def before_named(before: dict[str, str]) -> str:
    """Who has said yes so far."""
    return ", ".join(before.values())


def everybody(connection: Connection, view: GateView, outcome: Decided) -> tuple[str, ...]:
    """Who has said yes to what was decided, the one who closed the gate last."""
    before = counting.counted(connection, view, outcome.verb).values()
    return (*(one for one in before if one != outcome.by), outcome.by)


def _counts(view: GateView, claim: Claimed, who: tuple[str, ...], *, signed: bool, known: Known) -> Decided:
    outcome = gates.decided(claim, view, authenticated=signed, known=known)
    return outcome.model_copy(update={"won": False, "counts": True, "approved_by": who})


def _refused(view: GateView, claim: Claimed, why: str) -> Decided:
    return gates.decided(claim, view, authenticated=False, refused=why)
