"""What a run carries over continue-as-new, so that history starts afresh and nothing is done or reported twice."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from contracts.base import Contract, Digest, is_empty
from contracts.gates import Claimed
from contracts.handoff import Handoff
from contracts.pins import Began
from contracts.runs import Note, Request, RunChange


class Finished(Contract):
    """A finished step under its key, with its result as JSON; a large one is in the artifact store instead."""

    key: str
    result: str = ""
    artifact: Digest | None = None


class Talk(Contract):
    """Where one agent's conversation stands. What was said is in the ledger, under `head`."""

    head: str = ""
    turns: int = 0
    tokens: int = 0
    context: int = 0
    repairs: int = 0
    worked: timedelta = timedelta()
    sent: tuple[Digest, ...] = Field(default=(), description="digests of the tasks that the ledger has")
    state: Digest | None = Field(default=None, description="of the workspace")
    beyond: bool = Field(
        default=False, exclude_if=is_empty, description="a person let the step continue although unusually large"
    )
    ending: str = Field(default="", exclude_if=is_empty, description="why its next output must be its last")


class Round(Contract, name="round/1"):
    """An agent's answer, and where its conversation stood at that point."""

    handoff: Handoff[Any]
    talk: Talk


class Children(Contract, name="children/1"):
    """The handoffs of all children of one fan-out, by name."""

    handoffs: dict[str, Handoff[Any]]


class Ended(Contract):
    """How a gate ended, to answer decisions that arrive late."""

    verb: str
    by: str = ""
    subject: str = ""
    at: datetime
    nonce: str | None = Field(default=None, description="nonce of the decision that counted: a repeat of it is recognised")


class Mail(Contract):
    """State of the inbox: closed gates, decisions that came before their gate opened, and the number of refusals."""

    ended: dict[str, Ended] = Field(default_factory=dict)
    revisions: dict[str, int] = Field(default_factory=dict)
    early: tuple[Claimed, ...] = ()
    counted: int = 0


class Carried(Contract, name="carried/1"):
    """Everything the next run of a chain needs to continue where this one stops. Runs write it, people never do."""

    began: Began
    finished: tuple[Finished, ...] = ()
    talks: dict[str, Talk] = Field(default_factory=dict, description="unfinished steps of agents")
    mail: Mail
    told: dict[str, int] = Field(default_factory=dict, description="number of feed lines so far, by stage")
    waiting: tuple[Note, ...] = Field(default=(), description="feed lines that no activity has committed yet")
    lines: tuple[Note, ...] = Field(default=(), description="the last feed lines, for the query `feed`")
    next: str
    change: RunChange | None = None
    moves: int = Field(default=0, exclude_if=is_empty, description="number of the run's last change")
    usd_micros: int = 0
    tokens: int = 0


class Keep(Request, name="keep/1"):
    """Put large results into the artifact store, for the run that continues this one."""

    results: tuple[str, ...]


class Kept(Contract, name="kept/1", brief=True):
    """The artifacts that they are in, in the same order."""

    artifacts: tuple[Digest, ...]


class Recall(Request, name="recall/1"):
    """Read one large result back."""

    artifact: Digest


class Recalled(Contract, name="recalled/1", brief=True):
    """The result as JSON."""

    result: str
