"""Runs as people name and list them: found by a prefix, with their money and their open gates."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from contracts.errors import NotFound
from contracts.printed import shown
from contracts.runs import FINAL, RunState
from ledger import runs
from ledger.db import from_us
from ledger.tables import gate, run, scope

SHORTEST = 4
"""Fewest characters of a prefix."""

LIKE = 10
"""How many runs are named that begin with the same prefix."""

NEAR, LOOKED_THROUGH = 3, 500
"""How many names are suggested for an unknown one, and how many of the newest runs are searched for them."""


@dataclass(frozen=True)
class RunView:
    """One run's row. `ended_at` is None until it has ended; `gone` is set where Temporal ended it without us.

    `trimmed_at` is when its conversations and files were removed; None while they are there.

    `input` and `result` are JSON that is decoded only when it is read: pausing or cancelling must not fail because of either.
    """

    trace: str
    workflow_id: str
    pipeline: str
    project: str
    owner: str
    state: RunState
    stage: str
    waiting_for: str
    next: str
    input: str
    result: str
    gone: str
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    trimmed_at: datetime | None

    @cached_property
    def asked(self) -> dict[str, Any]:
        """The input that it was started with."""
        found: dict[str, Any] = json.loads(self.input)
        return found

    @cached_property
    def report(self) -> dict[str, Any] | None:
        """Its report; None until it has ended, or if it left none."""
        return json.loads(self.result) if self.result else None

    @property
    def how_it_ended(self) -> str:
        """In brackets, with a space before them, why Temporal ended the run; "" where it ended by itself."""
        return f" ({self.report['reason']})" if self.gone and self.report else ""

    @property
    def has_ended(self) -> bool:
        """True if its state is a final one."""
        return self.state in FINAL


@dataclass(frozen=True)
class Money:
    """What a run has spent, holds for calls under way, and may spend, in micro-dollars."""

    spent: int
    held: int
    ceiling: int


@dataclass(frozen=True)
class Listed:
    """A run in a list: with its money and how many of its gates are open. `newest`: no later run has its workflow id."""

    run: RunView
    money: Money
    open_gates: int
    newest: bool = True

    @property
    def name(self) -> str:
        """What names it in every command: its workflow id, or its trace if a later run has taken that id."""
        return self.run.workflow_id if self.newest else self.run.trace


def find_run(connection: Connection, name: str, *, whole: bool = False) -> RunView:
    """The run with this id, or the only one whose id or trace has this prefix. Raises `NotFound` with similar names.

    `whole` accepts no prefixes: for what cannot be taken back.
    """
    try:
        return as_view(runs.find(connection, name))
    except NotFound:
        pass
    newest = connection.execute(select(run.c.workflow_id).order_by(run.c.started_at.desc()).limit(LOOKED_THROUGH)).scalars()
    labels = {workflow_id: shown(workflow_id) for workflow_id in newest}
    # Copied from a list or a printed command, where characters that nobody sees are escapes.
    copied = [workflow_id for workflow_id, label in labels.items() if label == name]
    if len(copied) == 1:
        return as_view(runs.find(connection, copied[0]))
    found = _runs_like(connection, name) if len(name) >= SHORTEST else []
    if len(found) == 1 and not whole:
        return as_view(runs.find(connection, found[0][0]))
    if found:
        names = ", ".join(sorted(shown(label) for _, label in found[:LIKE])) + (" and more" if len(found) > LIKE else "")
        if whole:
            raise NotFound(
                f"there is no run {name!r}, only what begins so: {names}. Type the whole id: this cannot be taken back"
            )
        raise NotFound(f"several runs begin with {name!r}: {names}. Type more of it")
    near = get_close_matches(name, list(labels.values()), n=NEAR, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}? " if near else ". "
    raise NotFound(f"there is no run {name!r} in the ledger{hint}`baton runs` lists what there is")


def _runs_like(connection: Connection, name: str) -> list[tuple[str, str]]:
    """(trace, workflow id) of runs with this prefix; one more than are named, to see that there are more."""
    query = select(run.c.trace, run.c.workflow_id).where(
        run.c.workflow_id.startswith(name, autoescape=True) | run.c.trace.startswith(name, autoescape=True)
    )
    return [(row.trace, row.workflow_id) for row in connection.execute(query.limit(LIKE + 1))]


def recent(connection: Connection, limit: int = 50, project: str | None = None) -> list[Listed]:
    """The newest runs with their money and their number of open gates, newest first."""
    open_gates = (
        select(func.count()).select_from(gate).where(gate.c.trace == run.c.trace, gate.c.state == "open").scalar_subquery()
    )
    # An outer join: a run without a call has no scope yet.
    query = (
        select(
            *(run, scope.c.spent, scope.c.held, scope.c.ceiling),
            open_gates.label("open_gates"),
            (~_later().exists()).label("newest"),
        )
        .outerjoin(scope, scope.c.id == "run:" + run.c.trace)
        .order_by(run.c.started_at.desc())
        .limit(limit)
    )
    if project is not None:
        query = query.where(run.c.project == project)
    return [Listed(as_view(row), _money(row), int(row.open_gates), bool(row.newest)) for row in connection.execute(query)]


def count(connection: Connection, project: str | None = None) -> int:
    """How many runs there are, of one project if given."""
    query = select(func.count()).select_from(run)
    return int(connection.execute(query if project is None else query.where(run.c.project == project)).scalar_one())


def money_of(connection: Connection, trace: str) -> Money:
    """A run's money; all zero before its first reservation and without a ceiling row."""
    row = connection.execute(select(scope).where(scope.c.id == f"run:{trace}")).first()
    return Money(0, 0, 0) if row is None else _money(row)


def names_of(connection: Connection, traces: Sequence[str]) -> dict[str, str]:
    """What names each of these run families in every command: see `Listed.name`."""
    query = select(run.c.trace, run.c.workflow_id, (~_later().exists()).label("newest")).where(run.c.trace.in_(traces))
    return {row.trace: row.workflow_id if row.newest else row.trace for row in connection.execute(query)}


def _later() -> Select[tuple[str]]:
    """Runs that have taken the workflow id of a run later."""
    other = run.alias()
    return select(other.c.trace).where(other.c.workflow_id == run.c.workflow_id, other.c.started_at > run.c.started_at)


def traces(connection: Connection) -> list[str]:
    """The traces of all runs, oldest first."""
    return list(connection.execute(select(run.c.trace).order_by(run.c.started_at)).scalars())


def is_there(connection: Connection, trace: str) -> bool:
    """True if a run with this trace was admitted."""
    return connection.execute(select(run.c.trace).where(run.c.trace == trace)).first() is not None


def known_among(connection: Connection, workflow_ids: Iterable[str]) -> set[str]:
    """Those of these workflow ids that the ledger has a run of."""
    return set(connection.execute(select(run.c.workflow_id).where(run.c.workflow_id.in_(list(workflow_ids)))).scalars())


def ended_among(connection: Connection, traces: Iterable[str]) -> set[str]:
    """Those of these run families that have ended."""
    query = select(run.c.trace).where(run.c.trace.in_(list(traces)), run.c.state.in_(sorted(FINAL)))
    return set(connection.execute(query).scalars())


@dataclass(frozen=True)
class Used:
    """What open runs were started with, as it was typed. Of environments only the folders' own names."""

    repositories: frozenset[str]
    environments: frozenset[str]


def used_by_open_runs(connection: Connection) -> Used:
    """The repositories and environments that runs which have not ended were started with."""
    inputs = connection.execute(select(run.c.input).where(run.c.ended_at.is_(None))).scalars()
    asked = [json.loads(one) for one in inputs]

    def of(field: str) -> list[str]:
        return [one[field] for one in asked if isinstance(one.get(field), str)]

    return Used(frozenset(of("repository")), frozenset(one.rstrip("/").rpartition("/")[2] for one in of("environment")))


def as_view(row: Row[Any]) -> RunView:
    names = ("trace", "workflow_id", "pipeline", "project", "owner", "state", "stage", "waiting_for", "next", "input", "result")
    return RunView(
        **{name: getattr(row, name) for name in (*names, "gone")},
        started_at=from_us(row.started_at),
        updated_at=from_us(row.updated_at),
        ended_at=None if row.ended_at is None else from_us(row.ended_at),
        trimmed_at=None if row.trimmed_at is None else from_us(row.trimmed_at),
    )


def _money(row: Row[Any]) -> Money:
    """From a row with the columns of the run's scope, which are NULL while it has none."""
    return Money(int(row.spent or 0), int(row.held or 0), int(row.ceiling or 0))
