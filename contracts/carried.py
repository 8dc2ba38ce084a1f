"""What a run hands to the run that continues it, so that history starts anew and nothing is done or said twice."""

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
    beyond: bool = Field(default=False, exclude_if=is_empty, description="a person let it go on although unusually large")
    ending: str = Field(default="", exclude_if=is_empty, description="why its next output is its last")


class Round(Contract, name="round/1"):
    """What an agent answered, and where its conversation stood then."""

    handoff: Handoff[Any]
    talk: Talk


class Children(Contract, name="children/1"):
    """The handoffs of all children of one fan-out, by name."""

    handoffs: dict[str, Handoff[Any]]


class Ended(Contract):
    """How a gate ended, for those who send something to it later."""

    verb: str
    by: str = ""
    subject: str = ""
    at: datetime
    nonce: str | None = Field(default=None, description="of the decision that counted: sent again, it is the same one")


class Mail(Contract):
    """What the inbox knows: gates that are over, decisions that came before their gate, refusals that were counted."""

    ended: dict[str, Ended] = Field(default_factory=dict)
    revisions: dict[str, int] = Field(default_factory=dict)
    early: tuple[Claimed, ...] = ()
    counted: int = 0


class Carried(Contract, name="carried/1"):
    """All that the next run of a chain needs to go on where this one stops. Runs write it, people never do."""

    began: Began
    finished: tuple[Finished, ...] = ()
    talks: dict[str, Talk] = Field(default_factory=dict, description="unfinished steps of agents")
    mail: Mail
    told: dict[str, int] = Field(default_factory=dict, description="lines of the feed so far, by stage")
    waiting: tuple[Note, ...] = Field(default=(), description="lines that no activity has carried yet")
    lines: tuple[Note, ...] = Field(default=(), description="the last lines, for the query `feed`")
    next: str
    change: RunChange | None = None
    usd_micros: int = 0
    tokens: int = 0


class Keep(Request, name="keep/1"):
    """Put large results into the artifact store, for the run that continues this one."""

    results: tuple[str, ...]


class Kept(Contract, name="kept/1"):
    """Where they are, in the same order."""

    artifacts: tuple[Digest, ...]


class Recall(Request, name="recall/1"):
    """Read one large result back."""

    artifact: Digest


class Recalled(Contract, name="recalled/1"):
    """The result as JSON."""

    result: str
