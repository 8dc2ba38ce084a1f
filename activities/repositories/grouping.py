"""A large difference in groups of files, each small enough for one round of reviewers. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

WHOLE = 96 * 1024
"""Bytes of a difference up to which one round of reviewers has it all."""

GROUP = 48 * 1024
"""Bytes of a group's part; a file that alone has more is a group of its own."""

GROUPS = 12
"""Most groups. What is beyond them is named in the report as not reviewed."""

_HEAD = b"diff --git "


@dataclass
class Group:
    """Some files' part of a difference."""

    patch: bytes = b""
    paths: list[str] = field(default_factory=list)


def parts_of(diff: bytes) -> list[bytes]:
    """A difference, file by file. Joined they are the difference."""
    starts = [0] if diff.startswith(_HEAD) else []
    at = diff.find(b"\n" + _HEAD)
    while at >= 0:
        starts.append(at + 1)
        at = diff.find(b"\n" + _HEAD, at + 1)
    return [diff[start:end] for start, end in zip(starts, [*starts[1:], len(diff)], strict=True)]


def groups_of(parts: list[tuple[str, bytes]]) -> tuple[list[Group], list[str]]:
    """Files that stand together, in groups of about one size, and those for which there is no room.

    Parts without a readable line, such as of a binary file, are in no group.
    """
    groups = list(_filled((path, part) for path, part in parts if b"\n@@ " in part))
    return groups[:GROUPS], [path for group in groups[GROUPS:] for path in group.paths]


def _filled(parts: Iterator[tuple[str, bytes]]) -> Iterator[Group]:
    group = Group()
    for path, part in parts:
        if group.paths and len(group.patch) + len(part) > GROUP:
            yield group
            group = Group()
        group.patch += part
        group.paths.append(path)
    if group.paths:
        yield group
