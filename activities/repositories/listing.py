"""Long lists in contracts: the first items by name, the whole list as an artifact. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from contracts.base import canonical, sha256
from contracts.repositories import ChangeCounts, FileChange, Risky
from contracts.risky_paths import risks_of

NAMED = 100
"""Most changed files that a contract names."""

NAMED_BYTES = 8 * 1024
"""Most bytes of the items that one list names, together."""

T = TypeVar("T", str, FileChange)


@dataclass(frozen=True)
class Listed:
    """The files that are named. If some are not, `counts` sums up all and `listing` is the whole list as stored."""

    files: tuple[FileChange, ...]
    outside: tuple[str, ...]
    counts: ChangeCounts | None = None
    listing: bytes = b""


def listed(files: Sequence[FileChange], outside: Sequence[str] = ()) -> Listed:
    """Changed files, and those that were not meant to change (`outside`), as far as a contract names them."""
    named, named_outside = first(files), first(outside)
    if (len(named), len(named_outside)) == (len(files), len(outside)):
        return Listed(named, named_outside)
    whole = {"files": [one.model_dump(mode="json") for one in files], "outside": list(outside)}
    listing = canonical(whole)
    counts = ChangeCounts(
        files=len(files),
        outside=len(outside),
        added=sum(one.added or 0 for one in files),
        removed=sum(one.removed or 0 for one in files),
        binary=sum(one.added is None for one in files),
        risks=tuple(Risky(kind=kind, paths=first(paths)) for kind, paths in risks_of(one.path for one in files).items()),
        listing=sha256(listing),
    )
    return Listed(named, named_outside, counts, listing)


def first(items: Sequence[T], limit: int = NAMED) -> tuple[T, ...]:
    """The first items, as many as fit into `limit` and `NAMED_BYTES`."""
    used, kept = 0, []
    for one in items[:limit]:
        used += len(canonical(one if isinstance(one, str) else one.model_dump(mode="json")))
        if used > NAMED_BYTES:
            break
        kept.append(one)
    return tuple(kept)
