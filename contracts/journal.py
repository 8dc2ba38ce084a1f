"""The record of a run: its start, feed lines that no other activity commits, and its end."""

from typing import Any

from pydantic import Field

from contracts.actions import Receipt
from contracts.agents import Effort, Risk
from contracts.base import Contract, is_empty
from contracts.gates import GateKind, Refusal
from contracts.runs import Request


class BeginRun(Request, name="begin_run/1"):
    """Ask for the run row, the pinned release and the pinned policy."""

    pipeline: str = Field(description="workflow type")
    run_id: str
    input: dict[str, Any]
    owner: str | None
    request_key: str | None
    risk: Risk = "low"
    effort: Effort | None = Field(default=None, description="None: policy's default")
    ceiling_micros: int | None
    agents: tuple[str, ...]
    auto: tuple[str, ...] = Field(default=(), description="agents that only `effort: auto` needs")
    gates: tuple[GateKind, ...]
    actions: tuple[str, ...] = Field(default=(), description="action types that the pipeline may propose")
    next: str = Field(default="", description="what happens first, for the feed")
    changes: tuple[str, ...] = Field(default=(), description="named changes that the workflow's code knows")
    outside: dict[str, str] = Field(
        default={}, exclude_if=is_empty, description="SHA-256 of each text of the input that is from outside: its sources"
    )


class Record(Request, name="record/1"):
    """Commit waiting feed lines, refusals and the run row's change, without any other effect."""

    refusals: tuple[Refusal, ...] = ()


class Finish(Record, name="finish/1"):
    """Ask for the run's end: its report as JSON, beside the last lines and the final state."""

    report: str


class Totals(Contract, name="totals/1", brief=True):
    """What a run family used."""

    calls: int
    tokens: int
    usd_micros: int
    handed_over: tuple[Receipt, ...] = Field(
        default=(), exclude_if=is_empty, description="what the run left to the relay, as far as it is by now"
    )
