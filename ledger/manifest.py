"""A bundle's manifest: what the file holds, table by table, under one digest, so that what is left out of it later is found.

It says also how long the chain of lines about condemnations was when the file was written, and its last hash: a file without
them cannot pass for one of a run that nothing condemned ever reached.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, MetaData, String, Table, inspect, select, table
from sqlalchemy import column as named

from contracts.base import canonical, sha256
from contracts.text import amount, amount_that
from ledger import seals
from ledger.tables import feed

_manifest = Table("manifest", MetaData(), Column("said", String, nullable=False))
# Of no ledger but a bundle, and so in none of the migrations.

VERSION = 1


class Chain(NamedTuple):
    """The feed lines about condemnations: how many there are, and the hash of the last ("" for none)."""

    lines: int
    head: str


class Manifest(NamedTuple):
    """What a file says of itself, and what of that is not so. `digest` is of all that it says; "" where it says nothing."""

    digest: str
    problems: tuple[str, ...]


def chain_of(connection: Connection) -> Chain:
    """The lines about condemnations that this ledger, or bundle, has."""
    hashes = connection.execute(select(feed.c.hash).where(feed.c.trace == seals.CONDEMNED).order_by(feed.c.seq)).scalars().all()
    return Chain(len(hashes), hashes[-1] if hashes else "")


def write(connection: Connection, trace: str, tables: Iterable[Table], chain: Chain) -> str:
    """Write the manifest of a bundle whose rows are all there; `chain` is that of the ledger they are from. Its digest."""
    held = [_held(connection, one.name, [column.name for column in one.columns]) for one in tables]
    told = {"version": VERSION, "trace": trace, "condemnations": chain._asdict(), "tables": held}
    said = canonical(told).decode()
    _manifest.create(connection)
    connection.execute(_manifest.insert().values(said=said))
    return sha256(said.encode())


def read(connection: Connection) -> Manifest:
    """Compare a bundle with its manifest. Only reads."""
    if not inspect(connection).has_table(_manifest.name):
        return Manifest("", ("the file has no manifest: what was left out of it cannot be told; export the run again",))
    rows = connection.execute(select(_manifest.c.said)).scalars().all()
    digest = sha256(rows[0].encode()) if len(rows) == 1 else ""
    try:
        told = json.loads(rows[0]) if digest else {}
        return Manifest(digest, tuple(_problems(connection, told)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Manifest(digest, ("the file's manifest cannot be read: it was altered",))


def _problems(connection: Connection, told: dict[str, Any]) -> Iterable[str]:
    if told["version"] != VERSION:
        yield f"the file's manifest has version {told['version']!r:.20}, and this release knows {VERSION}: upgrade"
        return
    # A run that nothing condemned reaches takes nothing of the chain along.
    reached = any(one["name"] == "condemnation" for one in told["tables"])
    exported, there = Chain(**told["condemnations"]) if reached else Chain(0, ""), chain_of(connection)
    if there != exported:
        lines = amount_that(exported.lines, "line", "was", "were")
        yield f"what is on record of condemnations is not as it was: {lines} exported, {there.lines} in the file"
    for one in told["tables"]:
        now = _held(connection, one["name"], one["columns"])
        if now["rows"] != one["rows"]:
            yield f"{one['name']}: {amount(one['rows'], 'row')} exported, {now['rows']} in the file"
        elif now["digest"] != one["digest"]:
            yield f"{one['name']}: rows were altered since it was exported"


def _held(connection: Connection, name: str, columns: Sequence[str]) -> dict[str, Any]:
    """How many rows a table has, and one digest of all of them whatever their order."""
    chosen: list[ColumnElement[Any]] = [named(one) for one in columns]
    rows = connection.execute(select(*chosen).select_from(table(name)))
    digests = sorted(sha256(canonical([_plain(value) for value in row])) for row in rows)
    return {"name": name, "columns": list(columns), "rows": len(digests), "digest": sha256(canonical(digests))}


def _plain(value: Any) -> Any:
    return sha256(value) if isinstance(value, bytes) else value
