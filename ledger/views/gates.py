"""Gates as people see them: what waits, what was decided, and the bytes that a gate is about."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Row, func, select

from contracts.actions import GitPush
from contracts.base import Contract
from contracts.errors import ContractViolation
from contracts.gates import GateView
from contracts.keys import signer_id
from contracts.known import Known, told
from ledger import artifacts, condemnations, gates
from ledger.db import from_us
from ledger.money import ceilings
from ledger.tables import decision, gate
from ledger.views.runs import find_run, names_of
from ledger.views.work import Sheet, sheet_of

# For the two functions that read what a gate is about: most who look at gates do not.
if TYPE_CHECKING:
    from contracts.delivery.plan import Plan

C = TypeVar("C", bound=Contract)


@dataclass(frozen=True)
class Gate:
    """A gate as it was shown, and its state now: open, a verb that closed it, or how it closed without a person."""

    view: GateView
    state: str


@dataclass(frozen=True)
class Decision:
    """What somebody said at a gate: `outcome` is won, refused, or superseded (no longer counts since a reset)."""

    gate: str
    verb: str
    by: str
    note: str
    reference: str
    subject: str
    outcome: str
    reason: str
    via: str
    channel: str
    authenticated: bool
    key: str
    """Id of the key that signed it; "" for one that was not signed."""
    at: datetime
    known: Known = ""
    """How the console knew who decided; "" where it was not decided there."""

    @property
    def referred(self) -> str:
        """The reference for people; "" where there is none."""
        return f", reference {self.reference}" if self.reference else ""

    @property
    def identity(self) -> str:
        """How it is known who decided, for people."""
        return f", signed with key {self.key}" if self.key else "" if self.authenticated else f", {told(self.known)}"


@dataclass(frozen=True)
class Subject:
    """What a gate decides on. `plan` and `patch`: where its bytes are a plan, or a change or push. `run` is a workflow id.

    `sheet`: at a gate `work`, what a person is asked to do.
    """

    run: str
    gate: Gate
    data: bytes
    plan: "Plan | None"
    patch: bytes | None
    sheet: Sheet | None = None


def condemned_facts(connection: Connection, things: Iterable[str]) -> tuple[str, ...]:
    """What of these things, or of what they came from, was condemned: a fact each for the gate that shows them."""
    return tuple(f"came from {one.told}" for one in condemnations.reaching(connection, things))


def _as_now(connection: Connection, view: GateView, state: str = "open") -> GateView:
    """An open gate with what was condemned since it opened of what it shows."""
    if state != "open" or view.kind == "held":
        return view
    found = condemned_facts(connection, [f"{view.trace}/{view.gate}"])
    return view.knowing([one for one in found if one not in view.facts])


def gates_of(connection: Connection, trace: str) -> list[Gate]:
    """All gates of a run family, oldest first."""
    query = select(gate.c.view, gate.c.state).where(gate.c.trace == trace).order_by(gate.c.opened_at)
    found = [Gate(GateView.model_validate_json(row.view), row.state) for row in connection.execute(query)]
    return [Gate(_as_now(connection, one.view, one.state), one.state) for one in found]


def gates_named(connection: Connection, name: str) -> list[tuple[str, str]]:
    """(trace, gate) of all gates with exactly this name; at most ten, newest first."""
    query = select(gate.c.trace, gate.c.gate).where(gate.c.gate == name).order_by(gate.c.opened_at.desc()).limit(10)
    return [(row.trace, row.gate) for row in connection.execute(query)]


def waiting(connection: Connection, project: str | None = None) -> list[tuple[str, GateView]]:
    """Each open gate with what names its run, earliest deadline first."""
    views = [_as_now(connection, view) for view in gates.open_gates(connection, project)]
    names = names_of(connection, [view.trace for view in views])
    return [(names.get(view.trace, view.workflow_id), view) for view in views]


def ceiling_gate(connection: Connection, trace: str) -> GateView | None:
    """The run's open ceiling gate, or None."""
    return next((view for view in gates.open_gates(connection, trace=trace) if view.kind == "ceiling"), None)


def gates_at(connection: Connection, scope: str) -> list[GateView]:
    """The gates of all runs that wait at this ceiling."""
    return [gates.find(connection, row.trace, row.gate)[0] for row in ceilings.waiting(connection, scope)]


def decisions_of(connection: Connection, trace: str) -> list[Decision]:
    """All decisions and refusals of a run family, oldest first."""
    query = select(decision).where(decision.c.trace == trace).order_by(decision.c.at)
    return [_decision(row) for row in connection.execute(query)]


def winner(connection: Connection, trace: str, name: str) -> Decision | None:
    """The decision that closed a gate, or None."""
    row = gates.winner(connection, trace, name)
    return None if row is None else _decision(row)


def refused_before(connection: Connection, trace: str, name: str, by: str, verb: str) -> int:
    """How often this verb of this person was refused at this gate; one more than that is a new decision."""
    query = select(func.count()).where(
        decision.c.trace == trace,
        decision.c.gate == name,
        decision.c.by == by,
        decision.c.verb == verb,
        decision.c.outcome == "refused",
    )
    return int(connection.execute(query).scalar_one())


def subject_of(connection: Connection, files: Path, run: str, name: str) -> Subject:
    """A gate of a run, by id or bare kind, with what it decides on. Raises `NotFound`, or `ArtifactDamaged`.

    `files` is the ledger's folder of large artifacts.
    """
    found = find_run(connection, run)
    there = gate_of(connection, found.trace, name)
    return _subject(connection, files, found.workflow_id, there, there.view.subject)


def gate_of(connection: Connection, trace: str, name: str) -> Gate:
    """One gate, by id or bare kind, with its state. Raises `NotFound`."""
    view, state = gates.find(connection, trace, name)
    return Gate(_as_now(connection, view, state), state)


def subject_with(connection: Connection, files: Path, found: Subject, digest: str) -> Subject:
    """The same gate with these bytes, which it is not about, or not any more. Raises `NotFound`, or `ArtifactDamaged`."""
    return _subject(connection, files, found.run, found.gate, digest)


def _subject(connection: Connection, files: Path, run: str, there: Gate, digest: str) -> Subject:
    from contracts.delivery.plan import Plan

    data = artifacts.get(connection, files, digest)
    named = _patch_in(data)
    patch = None if named is None else artifacts.get(connection, files, named)
    sheet = None if there.view.work is None else sheet_of(connection, files, there.view.work)
    return Subject(run, there, data, as_contract(Plan, data), patch, sheet)


def _patch_in(data: bytes) -> str | None:
    """The digest of the patch that a change, or a push, names; None for anything else."""
    from contracts.delivery.change import ChangeSubject

    change = as_contract(ChangeSubject, data)
    if change is not None:
        return change.patch.digest
    push = as_contract(GitPush, data)
    return None if push is None else push.patch


def as_contract(contract: type[C], data: bytes) -> C | None:
    """The bytes as this contract; None if they are something else."""
    try:
        return contract.read(data)
    except ContractViolation:
        return None


def _decision(row: Row[Any]) -> Decision:
    names = ("gate", "verb", "by", "note", "reference", "subject", "outcome", "reason", "via", "channel")
    fields = {name: getattr(row, name) for name in names}
    shown = {"authenticated": bool(row.authenticated), "key": _key(row.signature), "known": row.known}
    return Decision(**fields, **shown, at=from_us(row.at))


def _key(signature: str) -> str:
    try:
        return signer_id(signature)
    except ValueError:
        return "that cannot be read"  # altered in the database; `verified` says so
