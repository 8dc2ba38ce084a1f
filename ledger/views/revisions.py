"""Revisions of what a gate decides on: the gate before it, the one after it, and bytes that somebody was shown earlier."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, select

from contracts.gates import GateView
from ledger import handoffs
from ledger.tables import edge, gate
from ledger.views.gates import Gate, Subject, gate_of, subject_with

REVISED = "request_changes"
"""The state of a gate whose subject was sent back: the next one of its kind is about the same matter."""


def revision_before(connection: Connection, files: Path, found: Subject) -> Subject | None:
    """The subject of the gate before this one, where it is about the same matter: another plan, another change, or what was
    sent back. None where there is none. Raises `NotFound` if retention removed its bytes, or `ArtifactDamaged`.
    """
    view = found.gate.view
    query = _same_matter(view).where(gate.c.revision < view.revision).order_by(gate.c.revision.desc()).limit(1)
    name = connection.execute(query).scalar()
    if name is None:
        return None
    before = gate_of(connection, view.trace, str(name))
    subject = subject_with(connection, files, replace(found, gate=before), before.view.subject)
    both_plans = subject.plan is not None and found.plan is not None
    both_patches = subject.patch is not None and found.patch is not None
    return subject if both_plans or both_patches or before.state == REVISED else None


def revision_after(connection: Connection, view: GateView) -> Gate | None:
    """The newest gate about the same matter that came after this one, or None."""
    query = _same_matter(view).where(gate.c.revision > view.revision).order_by(gate.c.revision.desc()).limit(1)
    name = connection.execute(query).scalar()
    return None if name is None else gate_of(connection, view.trace, str(name))


def seen_before(connection: Connection, files: Path, found: Subject, digest: str) -> Subject | None:
    """What this run showed at a gate under this digest, as another subject of `found`'s gate; None if it never showed it.

    Also what a gate was about before a reset. Raises `NotFound` if retention removed its bytes, or `ArtifactDamaged`.
    """
    trace = found.gate.view.trace
    came_of = select(edge.c.child).where(edge.c.parent == handoffs.made(trace, digest), edge.c.relation == "derived")
    names = [str(one).removeprefix(f"{trace}/") for one in connection.execute(came_of).scalars()]
    at_a_gate = select(gate.c.gate).where(gate.c.trace == trace, gate.c.gate.in_(names)).limit(1)
    return None if connection.execute(at_a_gate).first() is None else subject_with(connection, files, found, digest)


def _same_matter(view: GateView) -> Select[Any]:
    return select(gate.c.gate).where(gate.c.trace == view.trace, gate.c.path == view.path, gate.c.kind == view.kind)
