"""What this process has learned about objects. It holds for good: an object's id is the digest of what it is.

A delivery asks the same of the same objects at every step, and each time costs several processes of git.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

from activities.git import trees
from activities.git.command import Git
from activities.git.trees import Applied

MOST = 10_000
"""Answers of one kind that are kept, of about 300 bytes each."""

_applied: dict[tuple[str, str, str], str] = {}


def holds(git: Git, base: str) -> bool:
    """True if all files of the commit or tree are here. Asked each time: what is here may be deleted."""
    return git.run("rev-list", "--objects", "--quiet", f"{base}^{{tree}}", codes=(0, 128)).code == 0


@lru_cache(maxsize=MOST)
def tree_of(directory: Path, base: str) -> str:
    """The tree of a commit (or tree) that is here."""
    return Git(directory).line("rev-parse", "--verify", f"{base}^{{tree}}")


def apply(git: Git, tree: str, patch: bytes) -> Applied:
    """As `trees.apply`, which is only asked for what was not applied before or is no longer here."""
    key = (str(git.directory), tree, hashlib.sha256(patch).hexdigest())
    known = _applied.get(key)
    if known is not None and holds(git, known):
        return Applied(known)
    applied = trees.apply(git, tree, patch)
    if applied.tree is not None:
        if len(_applied) >= MOST:
            _applied.clear()
        _applied[key] = applied.tree
    return applied
