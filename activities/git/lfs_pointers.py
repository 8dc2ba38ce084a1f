"""Pointers of Git LFS, and the content that they stand for, verified while it is copied."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

from activities.files.paths import PathRefused, open_beneath
from activities.git.errors import GitProblem

FORM = re.compile(rb"[^\n]+\noid sha256:([0-9a-f]{64})\nsize (0|[1-9][0-9]{0,15})\n")
"""All that is understood of a pointer: its digest and size."""

ODD = "its pointer has more or other lines than oid (sha256) and size, which are all that is understood"

_CHUNK = 1024 * 1024


WRITTEN = 4 * 1024 * 1024
"""Most bytes of one file that is written here."""

KEPT = "Git LFS: "
"""How the names of artifacts begin that are such content, written in a run: other machines find it by them."""

Made = Callable[[str], bytes | None]
"""The content with a digest that a run of any machine has written; None if none has."""


def nothing_made(digest: str) -> bytes | None:
    """Where no run writes such content."""
    del digest
    return None


class NotHere(GitProblem):
    """The content that a pointer stands for cannot be had. The text says why."""


@dataclass(frozen=True)
class Pointer:
    """What stands in a repository in place of a file. `blob` is git's id of the pointer itself."""

    digest: str
    size: int
    blob: str


def opened(top: Path, path: str) -> IO[bytes] | None:
    """A plain file beneath the folder; None where there is none, or only one that links lead to."""
    try:
        descriptor = open_beneath(top, path, os.O_RDONLY)
    except (OSError, PathRefused):
        return None
    try:
        return os.fdopen(descriptor, "rb")
    except OSError:  # a folder
        os.close(descriptor)
        return None


def copied(source: IO[bytes], target: IO[bytes], wanted: Pointer) -> bool:
    """Copy no more than the pointer's size; True if the bytes are those that it stands for."""
    digest, left = sha256(), wanted.size
    while left and (data := source.read(min(_CHUNK, left))):
        digest.update(data)
        target.write(data)
        left -= len(data)
    return not left and not source.read(1) and digest.hexdigest() == wanted.digest
