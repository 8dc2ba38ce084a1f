"""Bytes by their SHA-256: small ones in a row, large ones in a file."""

import codecs
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import BigInteger, Connection, LargeBinary, bindparam, select, update

from contracts.base import ArtifactRef, sha256
from contracts.errors import BatonError, NotFound
from ledger import recent
from ledger.db import insert_once, now_us
from ledger.outages import folder_unavailable
from ledger.statement import Statement
from ledger.tables import artifact, seen

IN_ROW = 256 * 1024
"""Largest artifact, in bytes, that is kept in the database itself."""


PIECE, OVERLAP = 4 * 1024 * 1024, 256 * 1024
"""Bytes of a large text that are searched at a time, and characters of each piece that the next one begins with."""

_GET = Statement(select(artifact.c.body, artifact.c.location).where(artifact.c.sha256 == bindparam("wanted")))


FOR_READERS = "text for a reader"
"""The name of what a reader was given, beside its other names: no other agent may read it."""

STALE_US = 12 * 60 * 60 * 1_000_000
"""Bytes that are stored again after so long count as stored now: retention leaves what is younger than a day."""

_AGAIN = Statement(
    update(artifact)
    .where(artifact.c.sha256 == bindparam("wanted"), artifact.c.at < bindparam("before", type_=BigInteger))
    .values(body=bindparam("bytes", type_=LargeBinary), location=bindparam("file"), at=bindparam("now", type_=BigInteger))
)


_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


def digests_in(*texts: str) -> set[str]:
    """Everything in these texts that has the form of a digest."""
    return {one for text in texts for one in _DIGEST.findall(text)}


class ArtifactDamaged(BatonError):
    """An artifact's bytes do not have its digest. Restore the artifact folder or the database from a backup."""


def put(connection: Connection, files: Path, data: bytes, media_type: str = "text/plain") -> ArtifactRef:
    """Store some bytes and return their digest and size. Storing the same bytes again changes nothing."""
    digest = sha256(data)
    large = len(data) > IN_ROW
    if not large and recent.get(connection, "artifact", digest) is not None:
        return ArtifactRef(digest=digest, size=len(data), media_type=media_type)
    now, body, file = now_us(), None if large else data, digest if large else ""
    # The row first: it is locked from here to the commit, so that retention cannot remove the file in between.
    new = insert_once(
        connection, artifact, sha256=digest, size=len(data), media_type=media_type, body=body, location=file, at=now
    )
    if not new:
        # One whose bytes were removed has them again.
        _AGAIN.run(connection, wanted=digest, bytes=body, file=file, now=now, before=now - STALE_US)
    if large:
        try:
            # Before the commit: a row that others see must never name bytes that are not on disk.
            _write_file(location(files, digest), data)
        except OSError as error:
            raise folder_unavailable(files, error) from None
    recent.keep(connection, "artifact", digest, value=True)
    return ArtifactRef(digest=digest, size=len(data), media_type=media_type)


def get(connection: Connection, files: Path, digest: str) -> bytes:
    """The bytes with this digest. Raises `NotFound`, or `ArtifactDamaged` if they have changed or their file is gone."""
    row = _GET.first(connection, wanted=digest)
    if row is None:
        raise NotFound(f"there is no artifact {digest[:12]}…")
    if row.body is None and not row.location:
        raise NotFound(
            f"the bytes of artifact {digest[:12]}… were removed: the runs that used them ended more than keep_days ago"
        )
    try:
        data = bytes(row.body) if row.body is not None else location(files, row.location).read_bytes()
    except FileNotFoundError:
        raise _missing(files, digest) from None
    except OSError as error:
        raise folder_unavailable(files, error) from None
    # On every read: approvals and evidence refer to the digest, and a disk or a restore may have changed the bytes.
    if sha256(data) != digest:
        raise ArtifactDamaged(f"artifact {digest[:12]}… does not match its digest; restore it from a backup")
    return data


def texts(connection: Connection, files: Path, digest: str) -> Iterator[str]:
    """The text with this digest, in pieces of at most `PIECE` bytes that overlap by `OVERLAP`: what is no longer than that
    stands whole in one of them. However large it is, no more than a piece is held.

    Raises what `get` raises: `ArtifactDamaged` after the last piece.
    """
    row = _GET.first(connection, wanted=digest)
    if row is None or not row.location:
        yield get(connection, files, digest).decode(errors="replace")
        return
    hashed, decoder, before = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")("replace"), ""
    try:
        with location(files, row.location).open("rb") as file:
            while block := file.read(PIECE - OVERLAP):
                hashed.update(block)
                text = before + decoder.decode(block)
                yield text
                before = text[-OVERLAP:]
    except FileNotFoundError:
        raise _missing(files, digest) from None
    except OSError as error:
        raise folder_unavailable(files, error) from None
    if hashed.hexdigest() != digest:
        raise ArtifactDamaged(f"artifact {digest[:12]}… does not match its digest; restore it from a backup")


def _missing(files: Path, digest: str) -> ArtifactDamaged:
    return ArtifactDamaged(f"the file of artifact {digest[:12]}… is missing under {files}; restore it from a backup")


def note_seen(
    connection: Connection, trace: str, path: str, digest: str, name: str, *, untrusted: bool, sources: Sequence[str] = ()
) -> None:
    """Record that a step read or made an artifact: evidence may quote it, the run's tools may read it. Safe to call twice.

    `sources`: where its bytes come from, such as `repo`; what is made from them is tainted by these.
    """
    values = {"trace": trace, "path": path, "artifact": digest, "name": name, "untrusted": untrusted, "at": now_us()}
    insert_once(connection, seen, **values, source=",".join(sources))


def find_named(connection: Connection, files: Path, digest: str, beginning: str) -> bytes | None:
    """The bytes with this digest, if a step has noted them under a name with this beginning; None if none has.

    Raises what `get` raises.
    """
    noted = select(seen.c.name).where(seen.c.artifact == digest, seen.c.name.startswith(beginning, autoescape=True)).limit(1)
    return get(connection, files, digest) if connection.execute(noted).first() is not None else None


def seen_in(connection: Connection, trace: str) -> list[tuple[str, str, str]]:
    """(path, name, digest) of every artifact that a run family has read or made, oldest first."""
    rows = connection.execute(
        select(seen.c.path, seen.c.name, seen.c.artifact).where(seen.c.trace == trace).order_by(seen.c.at, seen.c.name)
    )
    return [(row.path, row.name, row.artifact) for row in rows]


def location(files: Path, digest: str) -> Path:
    """The file of a large artifact."""
    return files / digest[:2] / digest


def _write_file(target: Path, data: bytes) -> None:
    """All or nothing: the file gets its name once its bytes are on disk. A file with other bytes is replaced."""
    # Read, and not just looked for: a truncated file is written again.
    if target.exists() and sha256(target.read_bytes()) == target.name:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            # Before the rename: after a power cut the name could otherwise stand for an empty file.
            os.fsync(stream.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
