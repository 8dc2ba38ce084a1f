"""Handoffs by what made them, what they claim, and what they came from: over all runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, or_, select, true

from contracts.errors import Refused
from contracts.outside import is_kind
from ledger import handoffs
from ledger.db import from_us, rows_with, to_us
from ledger.tables import claim, handoff, run, seen
from ledger.views.condemned import marked
from ledger.views.impact import LIMIT


@dataclass(frozen=True)
class Selection:
    """What a handoff has to be; None or "" is anything.

    `claim` has words of a claim's subject, attribute or value. `source` is the name or the digest of something that was read on
    the way to it, such as a file, or a kind of source, such as `web`. `agent` is a name or NAME@VERSION. `model` is as it
    answered, with or without its provider.
    """

    claim: str = ""
    source: str = ""
    agent: str = ""
    model: str = ""
    project: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Selected:
    """One handoff that was found. `says` is the claim that matches, "" where none was asked for.

    `condemned` says by whom and why where the handoff itself is condemned, else "".
    """

    id: str
    run: str
    trace: str
    path: str
    contract: str
    outcome: str
    agent: str
    model: str
    at: datetime
    says: str
    condemned: str = ""


def select_handoffs(connection: Connection, wanted: Selection, limit: int) -> list[Selected]:
    """The handoffs that fit, the newest first, at most `limit`. Only reads."""
    found = _selected_of(connection, wanted, limit)
    told = marked(connection, (one.id for one in found))
    return [replace(one, condemned=told.get(one.id, "")) for one in found]


def things_selected(connection: Connection, wanted: Selection, limit: int) -> list[str]:
    """The ids of what a selection means: the handoffs that fit; of a source alone what was read under that name. Only reads.

    Of a source alone, because whatever reads the same bytes later came from it as well. Raises `Refused` for a kind of source
    alone: nobody can say that of all that was ever read from it.
    """
    if is_kind(wanted.source) and wanted == Selection(source=wanted.source):
        raise Refused(
            f"{wanted.source} is a kind of source: all that ever came from it, in every run, would be held, and nothing that "
            "is read from it tomorrow. Name what was wrong (a file's name, or an id), or say which part of it is meant with "
            "--since, --until, --project, --agent, --model or --claim"
        )
    if wanted.source and wanted == Selection(source=wanted.source):
        named = select(seen.c.artifact).where((seen.c.name == wanted.source) | (seen.c.artifact == wanted.source)).distinct()
        return list(connection.execute(named.order_by(seen.c.artifact).limit(limit)).scalars())
    # A claim that fits twice is one handoff.
    return list(dict.fromkeys(one.id for one in _selected_of(connection, wanted, limit)))


def _selected_of(connection: Connection, wanted: Selection, limit: int) -> list[Selected]:
    columns = (handoff.c.id, handoff.c.trace, handoff.c.path, handoff.c.contract, handoff.c.outcome, handoff.c.agent)
    query: Select[Any] = select(*columns, handoff.c.version, handoff.c.model, handoff.c.at, run.c.workflow_id)
    query = query.join(run, run.c.trace == handoff.c.trace).where(*_made(wanted))
    if wanted.claim:
        query = query.add_columns(claim.c.subject, claim.c.attribute, claim.c.value, claim.c.supported)
        query = query.join(claim, claim.c.handoff == handoff.c.id).where(_claims(wanted.claim))
    ordered = query.order_by(handoff.c.at.desc(), handoff.c.id)
    if not wanted.source:
        return [_selected(row) for row in connection.execute(ordered.limit(limit))]
    read = _came_from(connection, wanted.source)
    found = rows_with(connection, query, handoff.c.id, read)
    return sorted((_selected(row) for row in found), key=lambda one: one.at, reverse=True)[:limit]


def _made(wanted: Selection) -> Iterator[ColumnElement[bool]]:
    name, _, version = wanted.agent.partition("@")
    if name:
        yield handoff.c.agent == name
    if version:
        yield handoff.c.version == version
    if wanted.model:
        provider = ":" in wanted.model
        yield handoff.c.model == wanted.model if provider else handoff.c.model.endswith(f":{wanted.model}", autoescape=True)
    if wanted.project is not None:
        yield run.c.project == wanted.project
    if wanted.since is not None:
        yield handoff.c.at >= to_us(wanted.since)
    if wanted.until is not None:
        yield handoff.c.at < to_us(wanted.until)


def _claims(part: str) -> ColumnElement[bool]:
    texts = (claim.c.subject, claim.c.attribute, claim.c.value)
    # Every word somewhere in it, in any case: people do not know how an agent put it.
    words = [or_(*(text.icontains(word, autoescape=True) for text in texts)) for word in part.split()]
    return and_(true(), *words)


def _came_from(connection: Connection, source: str) -> Sequence[str]:
    """All that came from what was read under this name, has this digest, or is of this kind; what is of the kind as well."""
    if is_kind(source):
        tainted = handoffs.tainted_by(connection, source)
        # What the coordinator makes of them names no sources, and came from them all the same.
        return [*tainted, *handoffs.downstream(connection, tainted, LIMIT)]
    named = select(seen.c.artifact).where((seen.c.name == source) | (seen.c.artifact == source)).distinct()
    starts = list(connection.execute(named).scalars())
    return list(handoffs.downstream(connection, starts, LIMIT))


def _selected(row: Row[Any]) -> Selected:
    fields = row._mapping
    says = f"{row.subject}: {row.attribute} = {row.value}" if "subject" in fields else ""
    if says and not row.supported:
        says += " (unsupported)"
    agent = f"{row.agent}@{row.version}" if row.version else row.agent
    names = ("id", "trace", "path", "contract", "outcome", "model")
    same = {name: getattr(row, name) for name in names}
    return Selected(run=row.workflow_id, agent=agent, at=from_us(row.at), says=says, **same)
