"""Waiting for a person: gates, what may be said at them, and what was decided."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field, JsonValue

from contracts.actions import Approvals
from contracts.base import Contract, Digest, Input, Line, is_empty, is_none
from contracts.handoff import Question
from contracts.keys import Signature
from contracts.money import CeilingRefused, Usd
from contracts.notices import NoticeKind, Occasion
from contracts.risk import LEVELS, Sign, raised
from contracts.work import Work

GateKind = Literal[
    "plan", "change", "action", "policy", "conflict", "stuck", "held", "clarify", "work", "ceiling", "draft", "unknown"
]
Verb = Literal[
    "approve",
    "reject",
    "request_changes",
    "answer",
    "raise_ceiling",
    "stop",
    "done",
    "declined",
    "happened",
    "did_not_happen",
]
_REVIEW: tuple[Verb, ...] = ("approve", "reject", "request_changes")

VERBS: dict[GateKind, tuple[Verb, ...]] = {
    "plan": _REVIEW,
    "change": _REVIEW,
    "action": _REVIEW,
    "policy": _REVIEW,
    "conflict": _REVIEW,
    "stuck": _REVIEW,
    "held": ("approve", "reject"),
    "clarify": ("answer",),
    "work": ("answer",),
    "ceiling": ("raise_ceiling", "stop"),
    "draft": ("done", "declined"),
    "unknown": ("happened", "did_not_happen"),
}
"""A closed list: which verbs each kind of gate takes. Each verb is a signal and an update of the same name."""

OFFERED: tuple[Verb, ...] = (
    *("approve", "reject", "request_changes", "answer", "happened", "did_not_happen"),
    *("raise_ceiling", "stop", "done", "declined"),
)
"""The verbs that workflows accept today."""

NEEDS_NOTE: frozenset[Verb] = frozenset({"reject", "request_changes"})


def needs_note(kind: GateKind, verb: Verb) -> bool:
    """True if this takes a note at such a gate: a refusal, and letting a run go on with what somebody found to be wrong."""
    return verb in NEEDS_NOTE or (kind == "held" and verb == "approve")


SAYS_YES: frozenset[Verb] = frozenset({"approve", "raise_ceiling"})
"""The verbs with which something happens that policy may keep whoever asked for it from saying."""

SEVERAL_SAY: frozenset[Verb] = frozenset({"approve"})
"""The verbs that several people may have to say. Not `raise_ceiling`: each of them could name another amount."""

TAKES_REFERENCE: frozenset[Verb] = frozenset({"done", "happened"})
"""The verbs that may name what was done by the target's own id for it."""

SAYS_NO: frozenset[Verb] = frozenset({"reject", "request_changes", "declined", "stop"})
"""The verbs after which nothing happens: one person is enough, and nobody is kept from them by `also`."""

MESSAGE_LIMIT = 64 * 1024
"""Most bytes in one decision. Clients refuse more before sending; the workflow refuses what arrives all the same."""

REFERENCE_LIMIT = 1000
"""Most characters of a reference."""


class Decision(Input, name="decision/1"):
    """What a person sends: one JSON object, the same for a signal and an update."""

    gate: Line = Field(
        min_length=1, max_length=200, description="the gate's id, 'plan-2', or its bare kind while it has one revision"
    )
    by: Line = Field(min_length=1, max_length=200, description="who decides")
    note: str = Field(default="", max_length=8000, description="why; required with reject and request_changes")
    subject: Digest | None = Field(default=None, description="digest of what was looked at; must match the gate's")
    answers: dict[str, str] | None = Field(default=None, max_length=50, description="with answer: question id to answer")
    channel: Line = Field(default="", max_length=40, description="where it was sent from: cli, console, web-ui, …")
    nonce: Line | None = Field(
        default=None, max_length=100, description="idempotency key: sent several times, the decision counts once"
    )
    to_usd: Usd | None = Field(default=None, description="with raise_ceiling: the new ceiling in US dollars")
    reference: Line = Field(
        default="",
        max_length=REFERENCE_LIMIT,
        exclude_if=is_empty,
        description="with done and happened: the target's own id for it, such as of a commit, a ticket or a message",
    )
    made: dict[str, JsonValue] | None = Field(
        default=None,
        exclude_if=is_none,
        description="with answer at a `work` gate: the agent's answer, as the gate's form wants it",
    )
    patch: str = Field(
        default="",
        exclude_if=is_empty,
        description="with answer at a `work` gate that takes one: changes to the step's files, as `git diff` writes them",
    )
    signature: Signature | None = Field(
        default=None, exclude_if=is_none, description="over all of this at this gate, by a key of who decides; needs a nonce"
    )


def _is_one(count: object) -> bool:
    return count == 1


def _is_no(value: object) -> bool:
    return value is False


class GatePolicy(Contract):
    """The rules for one kind of gate: from policy.toml, pinned when the run starts."""

    who: tuple[str, ...] = Field(description="people and roles who may decide; '*' is anybody")
    deadline: timedelta
    reminder: timedelta | None = None
    escalation: tuple[str, ...] = Field(default=(), description="who is asked next, in order; each gets another deadline")
    expiry: Literal["reject", "escalate"] = "reject"
    requester_may_approve: bool = True
    most_usd: Usd | None = Field(default=None, description="for `ceiling` gates: the highest ceiling that one run may be given")
    approvals: Approvals = Field(
        default=1, exclude_if=_is_one, description="how many different people have to say yes; 2 are four eyes"
    )
    also: tuple[tuple[str, ...], ...] = Field(
        default=(), exclude_if=is_empty, description="who says yes has to be in each of these lists, too"
    )


UNDECLARED_HELD = GatePolicy(who=("*",), deadline=timedelta(days=7), reminder=timedelta(days=1))
"""At a gate `held`, for policies that are older than this kind: whoever may decide at all may, and silence stops the run."""


class GateView(Contract, name="gate_view/1"):
    """A gate as people see it."""

    gate: str
    kind: GateKind
    revision: int
    trace: str
    path: str
    workflow_id: str
    project: str
    subject: Digest
    title: str
    facts: tuple[str, ...] = Field(default=(), description="computed by Baton")
    narrative: str = Field(default="", description="an agent's own words; shown apart, labelled, escaped")
    questions: tuple[Question, ...] = ()
    changes: tuple[Question, ...] = Field(default=(), description="what `request_changes` may answer; none is required")
    output: str = Field(default="", description="end of a program's output; shown apart, labelled, escaped")
    risk: str = ""
    verbs: tuple[Verb, ...]
    opened_at: datetime
    deadline: datetime
    on_expiry: str
    state: str = "open"
    ceiling: CeilingRefused | None = Field(default=None, description="for `ceiling` gates: the call that was refused")
    breakers: tuple[str, ...] = Field(
        default=(), exclude_if=is_empty, description="circuit breakers that keep this run, and perhaps others, from going on"
    )
    condemned: tuple[str, ...] = Field(
        default=(),
        exclude_if=is_empty,
        description="for `held` gates: the condemnations that the run may go on with",
    )
    approvals: int = Field(default=1, exclude_if=_is_one, description="how many people have to say yes")
    approved_by: tuple[str, ...] = Field(default=(), exclude_if=is_empty, description="who of them has")
    work: Work | None = Field(default=None, exclude_if=is_none, description="for `work` gates: the step that a person does")

    @property
    def so_far(self) -> str:
        """How many of the people who have to say yes have done so, and who; "" where one is enough."""
        if self.approvals == 1:
            return ""
        named = f": {', '.join(self.approved_by)}" if self.approved_by else ""
        return f"{len(self.approved_by)} of {self.approvals} approvals{named}"

    @property
    def causes(self) -> tuple[str, ...]:
        """What keeps this run waiting and may keep others as well: circuit breakers, or a ceiling that runs share."""
        return self.breakers or ((self.ceiling.scope,) if self.ceiling is not None and self.ceiling.shared else ())

    @property
    def risk_level(self) -> str:
        """The level alone, without its reasons; "" where no risk was assessed."""
        level = self.risk.partition(":")[0]
        return level if level in LEVELS else ""

    def occasion(self, kind: NoticeKind, who: Sequence[str], deadline: datetime | None = None) -> Occasion:
        """What people should hear of this gate: `who` is asked, until `deadline` (None: its own)."""
        return Occasion(kind=kind, about=self.gate, who=tuple(who), risk=self.risk_level, deadline=deadline or self.deadline)

    def knowing(self, added: Sequence[str], signs: Sequence[Sign] = ()) -> "GateView":
        """The gate with these facts after its first one, so that a long list does not hide them."""
        if not added and not signs:
            return self
        return self.model_copy(update={"facts": (*self.facts[:1], *added, *self.facts[1:]), "risk": raised(self.risk, signs)})


class Claimed(Contract):
    """A decision that has claimed its gate and is being checked.

    `at` is when the workflow received it, or when Temporal did, where that was asked (`FindReceived`).
    """

    verb: Verb
    decision: Decision
    at: datetime
    via: Literal["signal", "update"]
    # The time cannot tell decisions apart: after a reset the same signal is applied at another time.
    nth: int = Field(default=0, description="number of this decision at its gate; the same when applied again after a reset")

    @property
    def mark(self) -> str:
        """Distinguishes decisions at one gate; the same when one is applied again after a reset."""
        # 0: claimed before decisions were numbered, and stored under its time.
        return str(self.nth) if self.nth else self.at.isoformat()


class Refusal(Contract):
    """Something a person sent that was not accepted, kept for the record."""

    key: str
    at: datetime
    verb: str
    gate: str
    by: str
    reason: str
    via: str
    unheard: bool = Field(default=False, exclude_if=_is_no, description="its sender has not had the reason as an answer")


class Decided(Contract, name="decided/1"):
    """How a gate ended, or why a decision at it did not count (`won` False: the gate is open again)."""

    gate: str
    won: bool
    verb: Verb | Literal["expired", "cancelled", "released"] = Field(
        description="released: there is room again, or what kept the run is looked at again, so nobody has to decide"
    )
    by: str = ""
    note: str = ""
    answers: dict[str, str] = Field(default_factory=dict)
    reference: str = Field(default="", exclude_if=is_empty, description="the target's own id for what a person did or found")
    made: str = Field(default="", exclude_if=is_empty, description="digest of what was handed in at a `work` gate")
    state: str = Field(
        default="", exclude_if=is_empty, description="the artifact that a patch handed in there leaves the step's files in"
    )
    subject: str = ""
    at: datetime
    authenticated: bool = False
    reason: str = ""
    intents: tuple[str, ...] = Field(default=(), description="keys of the actions that this decision approved")
    approved_by: tuple[str, ...] = Field(
        default=(), exclude_if=is_empty, description="who has said yes so far, where several people have to"
    )
    counts: bool = Field(
        default=False, exclude_if=is_empty, description="with `won` False: it counts, and others have to say yes as well"
    )
    held: bool = Field(
        default=False, exclude_if=is_empty, description="with `won` False: what the gate shows came from something condemned"
    )
