"""Which pauses are in force, which there were, which hold a run, and what can be paused."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from contracts.errors import NotFound
from contracts.pauses import Paused, PauseKind
from contracts.pipelines import PIPELINES
from contracts.printed import shown
from ledger import pauses, runs
from ledger.db import from_us
from ledger.tables import agent_version, pause, run


@dataclass(frozen=True)
class PauseView:
    """A pause: what, who, why, since when. While it is in force `lifted_at` is None, and who lifted it and why are ""."""

    paused: Paused
    lifted_by: str
    lifted_why: str
    lifted_at: datetime | None


def pauses_now(connection: Connection) -> list[Paused]:
    """Every pause that is in force, oldest first."""
    return pauses.in_force(connection)


def history(connection: Connection, limit: int = 100) -> list[PauseView]:
    """The newest pauses, those that are lifted as well, newest first."""
    query = select(pause).order_by(pause.c.at.desc(), pause.c.id).limit(limit)
    return [_as_view(row) for row in connection.execute(query)]


def holding_run(connection: Connection, trace: str) -> list[Paused]:
    """The pauses that hold the next step of this run, or of an agent of it, oldest first; none once it has ended."""
    there = pauses.in_force(connection)
    if not there:
        return []
    query = select(run.c.pipeline, run.c.project).where(run.c.trace == trace, run.c.ended_at.is_(None))
    row = connection.execute(query).first()
    pins = None if row is None else runs.find_pins(connection, trace)
    if row is None or pins is None:
        return []
    names = {"all": {""}, "pipeline": {row.pipeline}, "project": {row.project}, "agent": set(pins.agents)}
    return [one for one in there if one.name in names[one.kind]]


def holding_new(connection: Connection, trace: str, pipeline: str, project: str) -> list[Paused]:
    """As `holding_run`, for a run that has just been started: while it is not on record, those that hold any such run."""
    names = {"all": "", "pipeline": pipeline, "project": project}
    there = [one for one in pauses.in_force(connection) if names.get(one.kind) == one.name]
    return holding_run(connection, trace) or there


def canonical(kind: PauseKind, name: str) -> str:
    """The name as pauses have it: a pipeline may be called by its command. One that nothing has is returned as it is."""
    if kind == "all":
        return ""
    called = {one.lower(): spec.workflow for spec in PIPELINES for one in (spec.workflow, spec.command)}
    return called.get(name.lower(), name) if kind == "pipeline" else name


def check_known(connection: Connection, kind: PauseKind, name: str, agents: Iterable[str], projects: Iterable[str]) -> None:
    """Raise `NotFound`, with the names that there are, if nothing of this kind has this `canonical` name.

    `agents` and `projects` are those that files and settings name; the ledger knows those of its runs.
    """
    if kind == "all":
        return
    known = {
        "agent": lambda: {*agents, *_agents(connection)},
        "pipeline": lambda: {spec.workflow for spec in PIPELINES},
        "project": lambda: {*projects, *_projects(connection)},
    }[kind]()
    if name not in known:
        there = ", ".join(shown(one) for one in sorted(known)) or f"no {kind} yet"
        raise NotFound(f"there is no {kind} {name!r}, so nothing was paused. There are: {there}")


def _agents(connection: Connection) -> list[str]:
    return list(connection.execute(select(agent_version.c.name).distinct()).scalars())


def _projects(connection: Connection) -> list[str]:
    return list(connection.execute(select(run.c.project).distinct()).scalars())


def _as_view(row: Row[Any]) -> PauseView:
    held = Paused(id=row.id, kind=row.kind, name=row.name, by=row.by, why=row.why, since=from_us(row.at))
    lifted_at = None if row.lifted_at is None else from_us(row.lifted_at)
    return PauseView(held, row.lifted_by, row.lifted_why, lifted_at)
