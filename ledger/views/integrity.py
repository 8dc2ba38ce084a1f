"""Whether a run's record is as it was written: its feed, decisions, gates, actions, handoffs and artifacts.

And whether each signature in it is one of what it stands under.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from contracts.base import canonical, sha256
from contracts.errors import LedgerUnavailable, NotFound
from contracts.known import told
from contracts.text import amount
from ledger import artifacts, decision_outbox, seals
from ledger.artifacts import ArtifactDamaged
from ledger.condemnations import things_digest, things_of
from ledger.feed import chained
from ledger.signatures import statement_of
from ledger.tables import action, artifact, condemnation, counter, decision, feed, feed_head, gate, handoff, run, seen
from ledger.views.runs import RunView


@dataclass
class Verified:
    """What was looked at of one run, and what is wrong with it. `hashes` are its feed lines', `head` the last."""

    run: str
    trace: str
    head: str = ""
    lines: int = 0
    rows: int = 0
    artifacts: int = 0
    unsealed: int = 0
    """Rows of before this ledger's rows were sealed: whether they were altered cannot be told."""
    problems: list[str] = field(default_factory=list)
    hashes: set[str] = field(default_factory=set, repr=False)


def verified(connection: Connection, files: Path, view: RunView) -> Verified:
    """Check one run. Only reads."""
    found = Verified(view.workflow_id, view.trace)
    sealed = dict(_chain(connection, found))
    _sealed_rows(connection, sealed, found)
    _decided(connection, found)
    _signatures(connection, found)
    _known(connection, found)
    _held(connection, found)
    _handoffs(connection, found)
    _artifacts(connection, files, found, trimmed=view.trimmed_at is not None)
    return found


def about_no_run(connection: Connection) -> list[Verified]:
    """The feed lines that are about no run, such as those about the policy and ceilings, chain by chain. Only reads."""
    others = select(feed.c.trace).distinct().where(feed.c.trace.not_in(select(run.c.trace))).order_by(feed.c.trace)
    found = [Verified(trace, trace) for trace in connection.execute(others).scalars().all()]
    for one in found:
        sealed = dict(_chain(connection, one))
        for (kind, key), seal in sealed.items():
            row = seals.find(connection, kind, key)
            if kind == "action" and row is not None and row["trace"] != one.trace:
                continue  # a proposal that a run has begun is that run's now
            if row is None or seals.seal_of(kind, key, row) != seal or not _has_its_things(connection, kind, row):
                one.problems.append(f"{'revoked key' if kind == 'key' else kind} {key} is missing, or was altered")
    # Also where no such line is there at all.
    _added_by_hand(connection, found)
    return found


def _has_its_things(connection: Connection, kind: seals.Kind, row: RowMapping) -> bool:
    """True unless a condemnation is of other things than it was."""
    return kind != "condemnation" or things_digest(things_of(connection, row["id"])) == row["things"]


def _added_by_hand(connection: Connection, found: list[Verified]) -> None:
    """Find condemnations, and what was said of actions that had come from them, that are in no feed line."""
    there = next((one for one in found if one.trace == seals.CONDEMNED), None)
    sealed = dict(_chain(connection, Verified(seals.CONDEMNED, seals.CONDEMNED)))
    problems = [
        f"{kind} {key} is in no feed line: it was added by hand"
        for kind, key, _ in seals.rows_of_condemnations(connection)
        if (kind, key) not in sealed
    ]
    if problems and there is None:
        found.append(there := Verified(seals.CONDEMNED, seals.CONDEMNED))
    if there is not None:
        there.problems += problems


def gaps(connection: Connection) -> list[str]:
    """What is missing of the feed as a whole: its numbers have no gaps, whatever runs the lines are of."""
    last = connection.execute(select(feed_head.c.seq)).scalar() or 0
    count, highest = connection.execute(select(func.count(), func.max(feed.c.seq)).select_from(feed)).one()
    if int(count) == last and int(highest or 0) == last:
        return []
    return [f"the feed has {amount(int(count), 'line')}, the last is number {highest or 0}, and {last} were written"]


def _chain(connection: Connection, found: Verified) -> Iterator[tuple[tuple[seals.Kind, str], str]]:
    """Walk the hash chain of the run's feed; yields its seals by kind and key, later ones after earlier ones."""
    previous = ""
    for row in connection.execute(select(feed).where(feed.c.trace == found.trace).order_by(feed.c.seq)).mappings():
        found.lines += 1
        if row["previous_hash"] != previous:
            found.problems.append(f"feed line {row['seq']} does not follow the line before it: one is missing, or moved")
        if row["hash"] != chained(row):
            found.problems.append(f"feed line {row['seq']} was altered: {row['did'][:80]!r}")
        previous = row["hash"]
        found.hashes.add(previous)
        for one in json.loads(row["outputs"]):
            if (seal := seals.read(one)) is not None:
                yield (seal[0], seal[1]), one
    end = connection.execute(select(run.c.feed_hash).where(run.c.trace == found.trace)).scalar()
    # Lines about no run, such as those about the policy, have no row that knows the last of them.
    if end is not None and end != previous:
        found.problems.append("the feed does not end with the line that was written last: the end of it is missing")
    found.head = previous


def _sealed_rows(connection: Connection, sealed: dict[tuple[seals.Kind, str], str], found: Verified) -> None:
    there, since = set(), _sealed_since(connection, found.trace)
    for kind, key, row in seals.rows_of(connection, found.trace):
        there.add((kind, key))
        found.rows += 1
        if (kind, key) not in sealed:
            if row["opened_at" if kind == "gate" else "at"] < since:
                found.unsealed += 1
            else:
                found.problems.append(f"{kind} {key} is in no feed line: it was added by hand")
        elif sealed[kind, key] != seals.seal_of(kind, key, row):
            found.problems.append(f"{kind} {key} was altered")
    for what, key in sealed.keys() - there:
        # An action that another run took over is that run's now.
        if what != "action" or seals.find(connection, "action", key) is None:
            found.problems.append(f"{what} {key} is missing")


def _sealed_since(connection: Connection, trace: str) -> int:
    """When rows of this run began to be sealed: 0 unless it began under a release that did not seal them."""
    since = connection.execute(select(counter.c.value).where(counter.c.name == "sealed_since")).scalar() or 0
    began = connection.execute(select(run.c.started_at).where(run.c.trace == trace)).scalar() or 0
    return int(since) if began < since else 0


def _decided(connection: Connection, found: Verified) -> None:
    """A gate that a person closed has the decision that closed it, and no other gate has one."""
    won = select(decision.c.gate, decision.c.verb).where(decision.c.trace == found.trace, decision.c.outcome == "won")
    verbs = {row.gate: row.verb for row in connection.execute(won)}
    for row in connection.execute(select(gate.c.gate, gate.c.state).where(gate.c.trace == found.trace)):
        without = row.state in ("open", "expired", "cancelled", "released")
        if (verbs.get(row.gate) or "") != ("" if without else row.state):
            found.problems.append(
                f"gate {row.gate} is {row.state}, and the decision on record is {verbs.get(row.gate, 'none')}"
            )


def _signatures(connection: Connection, found: Verified) -> None:
    """A decision that is signed says what was signed: that needs no seal, and no policy."""
    signed = (decision.c.signature != "") | (decision.c.statement != "")
    for row in connection.execute(select(decision).where(decision.c.trace == found.trace, signed)).mappings():
        if statement_of(row) is None:
            found.problems.append(f"the signature of decision {row['id']} at {row['gate']} is not of what it says")


def _known(connection: Connection, found: Verified) -> None:
    """A decision of somebody whom the console knew is what the console has written down."""
    query = select(decision).where(decision.c.trace == found.trace, decision.c.known != "")
    for row in connection.execute(query).mappings():
        if not decision_outbox.stands_behind(connection, row):
            said = f"decision {row['id']} at {row['gate']} says of {row['by']}: {told(row['known'])}"
            found.problems.append(f"{said}; the console has written down no such decision")


def _held(connection: Connection, found: Verified) -> None:
    """What held the run is on record: its gates `held`, which its feed seals, name the condemnations."""
    known = set(connection.execute(select(condemnation.c.id)).scalars())
    for row in connection.execute(select(gate.c.gate, gate.c.view).where(gate.c.trace == found.trace, gate.c.kind == "held")):
        missing = [one for one in json.loads(row.view).get("condemned", ()) if one not in known]
        found.problems += [f"condemnation {one}, which gate {row.gate} names, is missing" for one in missing]


def _handoffs(connection: Connection, found: Verified) -> None:
    columns = (handoff.c.id, handoff.c.path, handoff.c.digest, handoff.c.body)
    for row in connection.execute(select(*columns).where(handoff.c.trace == found.trace)).mappings():
        found.rows += 1
        if sha256(canonical(_body(row))) != row["digest"]:
            found.problems.append(f"handoff {row['id'][:12]} at {row['path']} was altered")


def _body(row: RowMapping) -> Any:
    return json.loads(row["body"]).get("body")


def _artifacts(connection: Connection, files: Path, found: Verified, *, trimmed: bool) -> None:
    for digest in sorted(_named(connection, found.trace)):
        try:
            artifacts.get(connection, files, digest)
        except NotFound as error:
            # Retention removes the bytes of ended runs, and leaves the row.
            if not (trimmed and _is_removed(connection, digest)):
                found.problems.append(str(error))
        except (ArtifactDamaged, LedgerUnavailable) as error:
            found.problems.append(str(error))
        found.artifacts += 1


def _is_removed(connection: Connection, digest: str) -> bool:
    return connection.execute(select(artifact.c.kept).where(artifact.c.sha256 == digest)).scalar() is False


def _named(connection: Connection, trace: str) -> set[str]:
    """The digests of everything that a run read, made, decided on or did."""
    columns = (seen.c.artifact, gate.c.subject, action.c.arguments)
    return {
        one for column in columns for one in connection.execute(select(column).where(column.table.c.trace == trace)).scalars()
    }
