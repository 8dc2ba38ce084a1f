"""A run's identity, its state, and the feed lines that it writes."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from contracts.base import Contract, Digest, is_empty, is_none
from contracts.handoff import Handoff
from contracts.known import Known
from contracts.notices import Occasion

RunState = Literal["admitted", "working", "waiting", "parked", "paused", "held", "done", "could_not", "cancelled", "failed"]
"""waiting: for a person at a gate. parked: for money. paused: by an operator. held: by provenance."""

FINAL: frozenset[RunState] = frozenset({"done", "could_not", "cancelled", "failed"})

_OPEN: frozenset[RunState] = frozenset({"working", "waiting", "parked", "paused", "held"})

MOVES: dict[RunState, frozenset[RunState]] = {
    "admitted": _OPEN | FINAL,
    "working": _OPEN | FINAL,
    "waiting": _OPEN | FINAL,
    "parked": _OPEN | FINAL,
    "paused": _OPEN | FINAL,
    "held": _OPEN | FINAL,
    "done": frozenset(),
    "could_not": frozenset(),
    "cancelled": frozenset(),
    "failed": frozenset(),
}
"""Allowed moves. A finished run never moves again; a move to its present state changes nothing."""

Importance = Literal["overview", "detail", "alert"]
"""`alert`: somebody should look, although nothing waits for them at a gate."""


class RunRef(Contract):
    """Which run is asking. Keys are built from `trace` and `path`, never from `workflow_id`.

    `trace` is the first execution run id of the root workflow: it survives continue-as-new and reset, and children inherit
    it. `path` is chosen by the parent (`write/item-3`; "" for the root). `workflow_id` and `run_id` are labels that the
    activity's own context adds; the run id changes with a reset and with continue-as-new. `ledger` is the id of the ledger
    that admitted the run; "" before it is admitted, and for a run of a release without such ids.
    """

    trace: str
    path: str = ""
    workflow_id: str = ""
    project: str = "default"
    run_id: str = Field(default="", exclude_if=is_empty)
    ledger: str = Field(default="", exclude_if=is_empty)


WHEN_WRITTEN = datetime.max.replace(tzinfo=UTC)
"""Instant of a line that is dated as it is written, by the database's clock: that of a worker or a command may be off.

All other lines have the instant at which something happened by Temporal's clock.
"""


class Note(Contract):
    """A feed line to write: what was done, why, and what comes next. Committed once per key."""

    key: str = Field(description="built from the path, so that a story that runs again does not repeat its lines")
    at: datetime
    stage: str
    actor: str = "coordinator"
    did: str
    why: str = ""
    next: str = ""
    importance: Importance = "overview"
    channel: str = ""
    authenticated: bool = False
    known: Known = Field(default="", exclude_if=is_empty, description="how the console knew who decided, if it was there")
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    tells: Occasion | None = Field(
        default=None, exclude_if=is_none, description="what people should hear of it wherever they are; None: nothing"
    )


class RunChange(Contract):
    """Changes to the run row. None leaves a field as it is; `waiting_for` "" clears it.

    `nth` counts the changes of one run; the row takes none that is older than what it has. 0: not numbered.
    """

    state: RunState | None = None
    stage: str | None = None
    waiting_for: str | None = None
    next: str | None = None
    nth: int = Field(default=0, exclude_if=is_empty)


class Request(Contract, brief=True):
    """Base of every activity's argument: which run asks, and the feed lines to commit together with the effect."""

    run: RunRef = Field(description="sent without `workflow_id` and `run_id`, which the activity's own context has")
    notes: tuple[Note, ...] = ()
    change: RunChange | None = None
    gives_back: tuple[str, ...] = Field(default=(), description="money scopes of children that have ended, to be freed")
    waiting: tuple[str, ...] | None = Field(default=None, description="after a reset: the gates that the root waits at")
    made: tuple[Handoff[Any], ...] = Field(default=(), exclude_if=is_empty, description="the coordinator's own handoffs")


class FeedLine(Contract, name="feed_line/1"):
    """One committed line of the feed."""

    seq: int
    at: datetime
    trace: str
    run: str
    path: str
    stage: str
    actor: str
    channel: str
    authenticated: bool
    known: Known = Field(default="", exclude_if=is_empty, description="how the console knew who decided, if it was there")
    did: str
    why: str
    next: str
    importance: Importance
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    tokens: int = 0
    usd_micros: int = 0
    trace_id: str
    span_id: str
    hash: Digest
    runbook: str = Field(
        default="", exclude_if=is_empty, description="of an alert: the name of its runbook, which `baton runbook NAME` prints"
    )
