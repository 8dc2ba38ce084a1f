"""What a person is asked at a gate, and the gate as it is shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from temporalio import workflow

from contracts.base import sha256
from contracts.gates import VERBS, GateKind, GatePolicy, GateView
from contracts.handoff import Question
from contracts.intents import Intent
from contracts.money import CeilingRefused
from contracts.rules import Facts
from contracts.text import one_line
from contracts.work import Work
from workflows.kit.bounds import facts_within
from workflows.kit.kit import Kit

FACT_LIMIT, FACTS_LIMIT = 2000, 100
"""Most characters per fact, and most facts per gate; `facts_within` limits their total. The subject has everything."""


NOTHING_KNOWN = Facts()


@dataclass(frozen=True)
class Ask:
    """What a person is asked.

    `subject` is the text that is decided on, byte for byte. `facts` are computed by code; `narrative` is an agent's own words
    and is shown separately. `intents` are the actions that an approval allows, `carrying` has their arguments as text by
    their keys, and `about` is what rules of policy may go by. `risk` "" is computed from what the run knows.
    """

    kind: GateKind
    title: str
    subject: str
    facts: tuple[str, ...] = ()
    narrative: str = ""
    risk: str = ""
    questions: tuple[Question, ...] = ()
    changes: tuple[Question, ...] = ()
    output: str = ""
    intents: tuple[Intent, ...] = ()
    carrying: Mapping[str, str] = field(default_factory=dict)
    about: Facts = NOTHING_KNOWN
    ceiling: CeilingRefused | None = None
    breakers: tuple[str, ...] = ()
    condemned: tuple[str, ...] = ()
    work: Work | None = None


def view_of(kit: Kit, ask: Ask, policy: GatePolicy) -> GateView:
    """The next gate of this kind, as people see it when it opens."""
    name, revision = kit.inbox.next_name(ask.kind)
    return GateView(
        gate=name,
        kind=ask.kind,
        revision=revision,
        trace=kit.ref.trace,
        path=kit.ref.path,
        workflow_id=kit.ref.workflow_id,
        project=kit.ref.project,
        subject=sha256(ask.subject.encode()),
        # One line each: they contain text from models and repositories, which must not look like further facts.
        title=one_line(ask.title, 300),
        facts=facts_within([one_line(fact, FACT_LIMIT) for fact in ask.facts[:FACTS_LIMIT]]),
        narrative=ask.narrative,
        questions=ask.questions,
        changes=ask.changes,
        output=ask.output,
        risk=ask.risk,
        verbs=VERBS[ask.kind],
        opened_at=workflow.now(),
        deadline=workflow.now() + policy.deadline,
        on_expiry=_on_expiry(kit, ask.kind, policy),
        ceiling=ask.ceiling,
        breakers=ask.breakers,
        condemned=ask.condemned,
        approvals=policy.approvals,
        work=ask.work,
    )


_THEN: dict[GateKind, str] = {"draft": "expires and nothing is done", "work": "ends the step as could_not"}
"""What happens at the last deadline, where it is not a rejection."""


def _on_expiry(kit: Kit, kind: GateKind, policy: GatePolicy) -> str:
    if kind == "ceiling" or (kind == "held" and policy.expiry == "reject"):
        return "without an answer the run stops and keeps its work"
    then = _THEN.get(kind, "rejects")
    if policy.expiry != "escalate" or not policy.escalation:
        return f"without an answer it {then}"
    named = [kit.pins.owner if who == "owner" else who for who in policy.escalation]
    return f"without an answer it asks {', '.join(named)} and then {then}"
