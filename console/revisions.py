"""What has changed since an earlier revision, from the bytes of both."""

from dataclasses import dataclass
from pathlib import Path

from commands.text import subject_lines
from contracts import interdiff
from contracts.errors import NotFound
from ledger.artifacts import ArtifactDamaged
from ledger.db import Connection
from ledger.views.gates import Subject
from ledger.views.revisions import revision_before, seen_before


@dataclass(frozen=True)
class Changed:
    """What differs from `since`, line by line; `why_not` says why that cannot be shown, "" where it can."""

    since: str
    lines: tuple[str, ...] = ()
    why_not: str = ""


def since_the_last(connection: Connection, files: Path, found: Subject) -> Changed | None:
    """What differs from the revision before; None for the first one."""
    try:
        before = revision_before(connection, files, found)
    except (NotFound, ArtifactDamaged) as lost:
        return Changed("the revision before", why_not=str(lost))
    return None if before is None else Changed(before.gate.view.gate, _between(before, found))


def since_seen(connection: Connection, files: Path, found: Subject, digest: str) -> Changed | None:
    """What differs from the bytes under this digest, which a page has shown; None where these are the same, or never were
    shown in this run."""
    if not digest or digest == found.gate.view.subject:
        return None
    try:
        seen = seen_before(connection, files, found, digest)
    except (NotFound, ArtifactDamaged) as lost:
        return Changed("what you had opened", why_not=str(lost))
    return None if seen is None else Changed("what you had opened", _between(seen, found))


def _between(before: Subject, now: Subject) -> tuple[str, ...]:
    if before.patch is not None and now.patch is not None:
        return tuple(interdiff.of_patches(before.patch, now.patch))
    return tuple(interdiff.of_texts(subject_lines(before), subject_lines(now)))
