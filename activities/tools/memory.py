"""Shared memory: what this run, and no other, has recorded so far; read-only."""

from pydantic import Field

from activities.tools.base import RESULT_LIMIT, Source, Tool, ToolContext, ToolOutcome, ToolProblem
from contracts.base import Contract
from contracts.text import for_model
from ledger import artifacts, gates, handoffs, outside, resets, runs
from ledger.db import Ledger, from_us


class Nothing(Contract):
    """No arguments."""


class RunPosition(Contract):
    """Where the run is."""

    run: str
    pipeline: str
    state: str
    stage: str
    waiting_for: str
    next: str


class HandoffRow(Contract):
    """One handoff without its body."""

    id: str
    path: str
    contract_name: str
    outcome: str
    at: str


class ArtifactRow(Contract):
    """One artifact that this run has read or made."""

    id: str
    name: str
    path: str


class Handoffs(Contract):
    """The run's handoffs and artifacts, oldest first."""

    handoffs: tuple[HandoffRow, ...]
    artifacts: tuple[ArtifactRow, ...]


class ReadArtifact(Contract):
    """Which one to read."""

    id: str = Field(description="full id of an artifact or handoff, as list_handoffs shows it")


class ArtifactText(Contract):
    """Its content as text, cut if it is long."""

    id: str
    text: str


class DecisionRow(Contract):
    """What a person decided."""

    gate: str
    verb: str
    by: str
    note: str
    outcome: str


class Decisions(Contract):
    """The run's decisions, oldest first."""

    decisions: tuple[DecisionRow, ...]


def _ledger(context: ToolContext) -> Ledger:
    if context.ledger is None:
        raise ToolProblem("this step has no access to the run's record")
    return context.ledger


async def _run_state(context: ToolContext, _: Nothing) -> ToolOutcome:
    row = await _ledger(context).read(runs.find, context.trace)
    return ToolOutcome(
        RunPosition(
            run=row.workflow_id,
            pipeline=row.pipeline,
            state=row.state,
            stage=row.stage,
            waiting_for=row.waiting_for,
            next=row.next,
        )
    )


async def _list_handoffs(context: ToolContext, _: Nothing) -> ToolOutcome:
    ledger = _ledger(context)
    rows = await ledger.read(handoffs.of_trace, context.trace)
    seen = await ledger.read(artifacts.seen_in, context.trace)
    return ToolOutcome(
        Handoffs(
            handoffs=tuple(
                HandoffRow(
                    id=row.id, path=row.path, contract_name=row.contract, outcome=row.outcome, at=from_us(row.at).isoformat()
                )
                for row in rows[-100:]
            ),
            artifacts=tuple(ArtifactRow(id=digest, name=name, path=path) for path, name, digest in seen[-200:]),
        )
    )


async def _read_artifact(context: ToolContext, asked: ReadArtifact) -> ToolOutcome:
    ledger = _ledger(context)
    # Only what this run has read or made: otherwise a digest would open any artifact of any run.
    seen = await ledger.read(artifacts.seen_in, context.trace)
    known = {digest for _, _, digest in seen}
    if asked.id in {digest for _, name, digest in seen if name == artifacts.FOR_READERS}:
        raise ToolProblem("this is text from outside as it is, which a reader has read: go by the fields in its handoff")
    if asked.id in known:
        origin, data = handoffs.made(context.trace, asked.id), await ledger.read(artifacts.get, ledger.files, asked.id)
        sources = await ledger.read(outside.sources_behind, context.trace, asked.id)
    elif asked.id in {row.id for row in await ledger.read(handoffs.of_trace, context.trace)}:
        made = await ledger.read(handoffs.get, asked.id)
        origin, data, sources = asked.id, made.stored(), made.taint
    else:
        raise ToolProblem(f"this run has nothing under {asked.id[:80]!r}; list_handoffs shows what there is")
    # Shorter than a result's limit, to leave room for the rest of the JSON.
    text = for_model(data.decode(errors="replace"), RESULT_LIMIT - 1000)
    source = Source(f"artifact {asked.id[:12]}", data, origin=origin, sources=sources)
    return ToolOutcome(ArtifactText(id=asked.id, text=text), (source,))


async def _list_decisions(context: ToolContext, _: Nothing) -> ToolOutcome:
    # Decisions that a reset has superseded must not guide the steps after it.
    rows = await _ledger(context).read(gates.decisions, context.trace)
    return ToolOutcome(
        Decisions(
            decisions=tuple(
                DecisionRow(
                    gate=row["gate"],
                    verb=row["verb"],
                    by=for_model(row["by"], 200),
                    note=for_model(row["note"], 2000),
                    outcome=row["outcome"],
                )
                for row in [row for row in rows if row["outcome"] != resets.SUPERSEDED][-50:]
            )
        )
    )


RUN_STATE = Tool("run_state", "Where this run is: state, stage, what it waits for.", Nothing, RunPosition, _run_state)
LIST_HANDOFFS = Tool("list_handoffs", "The handoffs and artifacts of this run so far.", Nothing, Handoffs, _list_handoffs)
READ_ARTIFACT = Tool("read_artifact", "Read one artifact or handoff of this run.", ReadArtifact, ArtifactText, _read_artifact)
LIST_DECISIONS = Tool("list_decisions", "What people decided in this run.", Nothing, Decisions, _list_decisions)

MEMORY_TOOLS = (RUN_STATE, LIST_HANDOFFS, READ_ARTIFACT, LIST_DECISIONS)
