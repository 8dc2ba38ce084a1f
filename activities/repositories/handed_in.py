"""The patch that a person hands in for a step with files: as an agent's edits, it is checked and becomes the step's state."""

import asyncio

from activities.git import GitProblem, Mirror
from activities.repositories.shared import Repositories
from contracts.errors import Refused
from contracts.repositories import Workspace
from contracts.text import one_line

PLAIN = frozenset({"100644", "100755", "000000"})
"""Modes of files, and of what was removed. An agent's tools make nothing else either: no links, no submodules."""

SHOWN = 10


class HandedIn:
    """Applies patches of people to a step's files, in the mirror and in no folder."""

    def __init__(self, repositories: Repositories) -> None:
        self._repos = repositories

    async def state(self, use: Workspace, patch: str) -> bytes:
        """The patch from the step's start to its files with this patch. Safe to call twice.

        Raises `Refused` with the reason for one that is no patch, does not apply, or makes what no checkout can hold.
        """
        return await asyncio.to_thread(self._state, use, patch)

    def _state(self, use: Workspace, patch: str) -> bytes:
        mirror = self._repos.mirrors.open(use.ref.repository)
        start = self._repos.tree(mirror, use.ref)
        now = start if use.state is None else self._tree(mirror, start, self._repos.patch(use.state))
        after = self._tree(mirror, now, patch.encode())
        _check(mirror, now, after)
        return mirror.diff(start, after)

    def _tree(self, mirror: Mirror, tree: str, patch: bytes) -> str:
        try:
            applied = mirror.apply(tree, patch)
        except GitProblem as error:
            raise Refused(f"the patch cannot be taken: {error}") from None
        if applied.tree is None:
            clash = ", ".join(one_line(path, 200) for path in applied.conflicts[:SHOWN])
            raise Refused(f"the patch does not apply to the step's files in {clash}; make it against tree {tree}")
        return applied.tree


def _check(mirror: Mirror, now: str, after: str) -> None:
    """Raise `Refused` for a tree that no workspace may have."""
    found = mirror.changes(now, after)
    odd = [one.path for one in found if one.after[0] not in PLAIN]
    if odd:
        names = ", ".join(one_line(path, 200) for path in odd[:SHOWN])
        raise Refused(f"the patch makes links or submodules, and only plain files are taken: {names}")
    try:
        mirror.check(after)
    except GitProblem as error:
        raise Refused(f"the patch cannot be taken: {error}") from None
