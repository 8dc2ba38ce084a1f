"""Edges that earlier releases did not write, made from what they wrote: names of artifacts, subjects of gates, times."""

import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

_DIGEST = re.compile(rb"\b[0-9a-f]{64}\b")
_ADD = sa.text(
    "INSERT INTO edge (child, relation, parent) SELECT :child, 'derived', :parent "
    "WHERE NOT EXISTS (SELECT 1 FROM edge WHERE child = :child AND relation = 'derived' AND parent = :parent)"
)


def add(connection: sa.Connection) -> None:
    """Add the edges of every run that is there. Safe to call twice."""
    for trace in connection.execute(sa.text("SELECT trace FROM run")).scalars().all():
        seen = _rows(connection, "SELECT path, name, artifact FROM seen WHERE trace = :trace ORDER BY at, name", trace)
        handoffs = _rows(connection, "SELECT id, path, digest, at FROM handoff WHERE trace = :trace ORDER BY at", trace)
        gates = _rows(connection, "SELECT gate, subject, state, closed_at FROM gate WHERE trace = :trace", trace)
        pairs = [*_of_artifacts(trace, seen, handoffs), *_of_gates(connection, trace, seen, handoffs, gates)]
        pairs += _of_actions(connection, trace)
        if pairs:
            connection.execute(_ADD, [{"child": child, "parent": parent} for child, parent in dict.fromkeys(pairs)])


def _rows(connection: sa.Connection, query: str, trace: str) -> list[Any]:
    return list(connection.execute(sa.text(query), {"trace": trace}).all())


def _of_artifacts(trace: str, seen: list[Any], handoffs: list[Any]) -> Iterator[tuple[str, str]]:
    """What was made from what, by the name under which the step that made it recorded it."""
    patches = [one for one in seen if one.name.startswith("patch of ")]
    outputs = [one for one in seen if one.name.startswith("checks: ")]
    for one in seen:
        if one.name.startswith("patch of "):
            steps = f"{one.path}/" if one.path else "test/"
            yield from ((f"{trace}/{one.artifact}", made.id) for made in handoffs if made.path.startswith(steps))
        elif one.name in ("the change", "integrated patch"):
            parts = (part for part in patches if part.path or one.name == "the change")
            yield from (
                (f"{trace}/{one.artifact}", f"{trace}/{part.artifact}") for part in parts if part.artifact != one.artifact
            )
        elif one.name == "test report":
            yield from ((f"{trace}/{one.artifact}", output.artifact) for output in outputs)


def _of_gates(
    connection: sa.Connection, trace: str, seen: list[Any], handoffs: list[Any], gates: list[Any]
) -> Iterator[tuple[str, str]]:
    """A gate comes from its subject, that from the handoff with its bytes or from what it names; a handoff from a decision."""
    known = {one.artifact for one in seen}
    for one in gates:
        subject = f"{trace}/{one.subject}"
        yield f"{trace}/{one.gate}", subject
        yield from ((subject, made.id) for made in handoffs if made.digest == one.subject)
        yield from ((subject, f"{trace}/{digest}") for digest in _named(connection, one.subject) if digest in known)
    for made in handoffs:
        before = [one for one in gates if one.state in _LETS_ON and one.closed_at is not None and one.closed_at <= made.at]
        if before:
            yield made.id, f"{trace}/{max(before, key=lambda one: one.closed_at).gate}"


_LETS_ON = ("approve", "request_changes", "answer")


def _of_actions(connection: sa.Connection, trace: str) -> Iterator[tuple[str, str]]:
    for one in _rows(connection, "SELECT key, gate, arguments FROM action WHERE trace = :trace", trace):
        if one.gate:
            yield one.key, f"{trace}/{one.gate}"
        named = sorted(_named(connection, one.arguments))
        if named:
            yield one.key, f"{trace}/{one.arguments}"
            yield from ((f"{trace}/{one.arguments}", f"{trace}/{digest}") for digest in named)


def _named(connection: sa.Connection, digest: str) -> set[str]:
    """The digests that a small artifact names."""
    body = connection.execute(sa.text("SELECT body FROM artifact WHERE sha256 = :digest"), {"digest": digest}).scalar()
    return set() if body is None else {one.decode() for one in _DIGEST.findall(bytes(body))} - {digest}
