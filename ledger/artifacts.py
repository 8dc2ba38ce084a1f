"""Bytes by their SHA-256: small ones in a row, large ones in a file."""

import os
import tempfile
from pathlib import Path

from sqlalchemy import Connection, bindparam, select

from contracts.base import ArtifactRef, sha256
from contracts.errors import BatonError, NotFound
from ledger.db import insert_once, now_us
from ledger.outages import folder_unavailable
from ledger.statement import Statement
from ledger.tables import artifact, seen

IN_ROW = 256 * 1024
"""Bytes up to which an artifact is kept in the database itself."""


_GET = Statement(select(artifact.c.body, artifact.c.location).where(artifact.c.sha256 == bindparam("wanted")))


class ArtifactDamaged(BatonError):
    """An artifact's bytes do not have its digest. Restore the artifact folder or the database from a backup."""


def put(connection: Connection, files: Path, data: bytes, media_type: str = "text/plain") -> ArtifactRef:
    """Keep some bytes and say under which digest. Keeping the same bytes again changes nothing."""
    digest = sha256(data)
    large = len(data) > IN_ROW
    if large:
        try:
            # Before its row: a row must never name bytes that are not on the disk.
            _write_file(location(files, digest), data)
        except OSError as error:
            raise folder_unavailable(files, error) from None
    insert_once(
        connection,
        artifact,
        sha256=digest,
        size=len(data),
        media_type=media_type,
        body=None if large else data,
        location=digest if large else "",
        at=now_us(),
    )
    return ArtifactRef(digest=digest, size=len(data), media_type=media_type)


def get(connection: Connection, files: Path, digest: str) -> bytes:
    """The bytes under a digest. Raises `NotFound`, or `ArtifactDamaged` where they are not what they were."""
    row = _GET.first(connection, wanted=digest)
    if row is None:
        raise NotFound(f"there is no artifact {digest[:12]}…")
    try:
        data = bytes(row.body) if row.body is not None else location(files, row.location).read_bytes()
    except FileNotFoundError:
        raise ArtifactDamaged(
            f"the file of artifact {digest[:12]}… is missing under {files}; restore it from a backup"
        ) from None
    except OSError as error:
        raise folder_unavailable(files, error) from None
    # With every read: approvals and evidence go by the digest, and a disk or a restore can have changed the bytes.
    if sha256(data) != digest:
        raise ArtifactDamaged(f"artifact {digest[:12]}… has other bytes than its digest says; restore it from a backup")
    return data


def note_seen(connection: Connection, trace: str, path: str, digest: str, name: str, *, untrusted: bool) -> None:
    """Record that a step of a run read or made an artifact: what evidence may quote, and what the run's tools may read."""
    insert_once(connection, seen, trace=trace, path=path, artifact=digest, name=name, untrusted=untrusted, at=now_us())


def seen_in(connection: Connection, trace: str) -> list[tuple[str, str, str]]:
    """(path, name, digest) of all that a run family has read or made, oldest first."""
    rows = connection.execute(
        select(seen.c.path, seen.c.name, seen.c.artifact).where(seen.c.trace == trace).order_by(seen.c.at, seen.c.name)
    )
    return [(row.path, row.name, row.artifact) for row in rows]


def location(files: Path, digest: str) -> Path:
    """Where a large artifact's file lies."""
    return files / digest[:2] / digest


def _write_file(target: Path, data: bytes) -> None:
    """All or nothing: the file appears under its name only when its bytes are on disk. One with other bytes is replaced."""
    # Read and not only looked for: a file that was cut short once is written again.
    if target.exists() and sha256(target.read_bytes()) == target.name:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
