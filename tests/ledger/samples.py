"""Small, whole examples of what the ledger keeps; each test varies what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from contracts.base import digest_of, sha256
from contracts.conversation import ModelReply, ToolCall, Usage
from contracts.gate_requests import AdmitDecision, OpenGate
from contracts.gates import Claimed, Decision, GatePolicy, GateView, Verb
from contracts.intents import Intent
from contracts.journal import BeginRun
from contracts.pins import Began
from contracts.runs import Note, RunRef
from ledger.turns import NewResult, NewTurn

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, UTC)
POLICY = GatePolicy(who=("*",), deadline=timedelta(days=1))
SUBJECT = "what is approved"
USAGE = Usage(input=100, output=20, cache_read=60, cache_write=10, reasoning=5)


def ref(trace: str = "trace-1", **changes: Any) -> RunRef:
    """A run."""
    return RunRef(trace=trace, workflow_id=f"delivery-{trace}").model_copy(update=changes)


def begin(trace: str = "trace-1", **changes: Any) -> tuple[BeginRun, Began]:
    """What begins a run."""
    project = changes.pop("project", "default")
    asked = BeginRun(
        run=ref(trace, project=project),
        pipeline="Delivery",
        run_id=trace,
        input={"instruction": "say höher"},
        owner="olga",
        request_key=None,
        ceiling_micros=None,
        agents=(),
        gates=(),
    )
    began = Began(owner="olga", ceiling_micros=1, policy_digest=digest_of("policy"), agents={}, gates={})
    return asked.model_copy(update=changes), began


def note(key: str, **changes: Any) -> Note:
    """A line of the feed."""
    return Note(key=key, at=NOW, stage="plan", did=f"did {key}", why="because", next="more").model_copy(update=changes)


def view(gate: str = "plan-1", **changes: Any) -> GateView:
    """An open gate."""
    return GateView(
        gate=gate,
        kind="plan",
        revision=1,
        trace="trace-1",
        path="",
        workflow_id="delivery-trace-1",
        project="default",
        subject=sha256(SUBJECT.encode()),
        title="a plan",
        verbs=("approve", "reject"),
        opened_at=NOW,
        deadline=NOW + timedelta(days=1),
        on_expiry="rejects",
    ).model_copy(update=changes)


def opening(gate: GateView, *intents: Intent, run_id: str = "") -> OpenGate:
    """The request that opens it."""
    return OpenGate(
        run=ref(gate.trace, run_id=run_id),
        gate=gate,
        policy=POLICY,
        policy_digest=digest_of("policy"),
        subject=SUBJECT,
        intents=intents,
    )


def claim(by: str, verb: Verb = "approve", nonce: str | None = None, note: str = "", gate: str = "plan-1") -> Claimed:
    """What somebody said at a gate."""
    said = Decision(gate=gate, by=by, note=note, nonce=nonce, channel="cli")
    return Claimed(verb=verb, decision=said, at=NOW + timedelta(hours=1), via="update")


def admit(gate: GateView, said: Claimed | None, run_id: str = "") -> AdmitDecision:
    """The request that has it checked."""
    return AdmitDecision(run=ref(gate.trace, run_id=run_id), gate=gate, policy=POLICY, claim=said, owner="olga")


def intent(event: str = "push", arguments: str = "a", **changes: Any) -> Intent:
    """An action that is meant."""
    return Intent(
        key=digest_of("event", event),
        type="git.push",
        arguments=digest_of("artifact", arguments),
        arguments_digest=digest_of("arguments", arguments),
        summary=f"push {arguments}",
    ).model_copy(update=changes)


def turn(number: int, parent: str = "", branch: str = "main", trace: str = "trace-1") -> NewTurn:
    """One turn of a conversation."""
    call = ToolCall(call_id="call-1", name="read_file", arguments={"path": "a"})
    reply = ModelReply(text=f"reply {number}", calls=(call,), stop="tools", model="model-1", usage=USAGE)
    return NewTurn(
        id=digest_of("turn", trace, branch, str(number)),
        parent=parent,
        trace=trace,
        path="plan",
        agent="planner@v1",
        agent_digest=digest_of("agent"),
        task=digest_of("task"),
        provider="scripted",
        model_asked="scripted:model-1",
        reply=reply,
        problem="",
        handoff="",
        usage=USAGE,
        usd_micros=3_000_000_000,
        price_version="test",
        latency_ms=1,
        flagged=False,
        attempt=1,
    )


def result(turn_id: str, index: int, body: str = "{}", effect: Literal["none", "workspace"] = "none") -> NewResult:
    """The result of one tool call."""
    return NewResult(
        turn=turn_id,
        index=index,
        name="read_file",
        arguments_digest=digest_of("arguments"),
        body=body,
        failed=False,
        effect=effect,
        state_before="",
        state_after="",
        repeated=False,
        artifacts=[digest_of("read")],
        latency_ms=2,
    )
