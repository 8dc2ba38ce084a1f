"""Workspaces: folders that can be built again from (repository, base, patches) at any time, on any worker.

What state a folder is in stands in a marker beside it, never in it. A change is marked before it begins; a worker that is
killed in the middle leaves the mark, and the next one rebuilds the folder from what the ledger recorded.
"""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from pydantic import ValidationError

from activities.git import Mirror, Mirrors
from activities.locks import locked
from contracts.base import Contract
from contracts.errors import BatonError, Refused
from contracts.workspace import WorkspaceRef

LEASE_WAIT = timedelta(minutes=2)
"""How long a second process waits for a workspace that is being prepared."""

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$")


class WorkspaceDamaged(BatonError):
    """A workspace could not be built from what the ledger recorded. The text names the patch that does not fit."""


class Marker(Contract):
    """What a workspace's folder holds. `dirty`: a change began and nobody said that it ended."""

    ref: WorkspaceRef
    start_tree: str
    state: str | None = None
    dirty: bool = False


class Workspaces:
    """All workspaces under one folder. Synchronous; callers use a thread."""

    def __init__(self, root: Path, mirrors: Mirrors) -> None:
        self._files = root / "files"
        self._marks = root / "marks"
        self._scratch = root / "scratch"
        self._mirrors = mirrors

    def ensure(self, name: str, ref: WorkspaceRef, state: str | None, read: Callable[[str], bytes]) -> Path:
        """The folder, holding exactly `ref` with the patch `state` on top (None: nothing on top).

        Used as it is where its marker says so; else built again. `read` gives the bytes of an artifact.
        """
        with self._lease(name):
            marker = self._marker(name)
            directory = self._files / name
            fits = marker is not None and (marker.ref, marker.state, marker.dirty) == (ref, state, False)
            if not (fits and directory.is_dir()):
                self._build(name, ref, state, read)
            return directory

    def begin_change(self, name: str) -> None:
        """Mark that a change begins: until `end_change` the folder counts as unknown."""
        marker = self._known(name)
        self._mark(name, marker.model_copy(update={"dirty": True}))

    def end_change(self, name: str, state: str) -> None:
        """Mark that the folder holds the start with the patch `state` on top."""
        marker = self._known(name)
        self._mark(name, marker.model_copy(update={"dirty": False, "state": state}))

    def start_tree(self, name: str) -> str:
        """The tree that the workspace started from."""
        return self._known(name).start_tree

    def snapshot(self, name: str) -> tuple[Mirror, str]:
        """The mirror, and the tree of the folder as it is now."""
        marker = self._known(name)
        mirror = self._mirrors.open(marker.ref.repository)
        return mirror, mirror.snapshot(self._files / name, marker.start_tree)

    def patch(self, name: str) -> bytes:
        """The patch from the workspace's start to what the folder holds now."""
        mirror, tree = self.snapshot(name)
        return mirror.diff(self._known(name).start_tree, tree)

    def remove(self, name: str) -> None:
        """Remove a workspace, or all whose name begins with `name/`. Removing what is not there is fine."""
        checked(name)
        for folder in (self._files, self._marks):
            shutil.rmtree(folder / name, ignore_errors=True)
            for file in folder.glob(f"{name}.*"):
                file.unlink(missing_ok=True)

    def sweep(self, keep: set[str]) -> list[str]:
        """Remove everything that belongs to no run family in `keep`; the names of what was removed."""
        there = sorted(path.name for path in self._files.iterdir()) if self._files.is_dir() else []
        gone = [name for name in there if name not in keep]
        for name in gone:
            self.remove(name)
        return gone

    @contextlib.contextmanager
    def scratch(self, mirror: Mirror, tree: str) -> Iterator[Path]:
        """A throw-away checkout with real links, for running commands in; deleted afterwards in any case."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(dir=self._scratch))
        try:
            mirror.checkout(tree, directory, symlinks=True)
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _build(self, name: str, ref: WorkspaceRef, state: str | None, read: Callable[[str], bytes]) -> None:
        mirror = self._mirrors.open(ref.repository)
        start = tree = _with_patches(mirror, mirror.tree_of(ref.base), ref.patches, read)
        if state is not None:
            tree = _with_patches(mirror, start, (state,), read)
        self._mark(name, Marker(ref=ref, start_tree=start, dirty=True))
        directory = self._files / name
        directory.mkdir(parents=True, exist_ok=True)
        mirror.checkout(tree, directory)
        self._mark(name, Marker(ref=ref, start_tree=start, state=state))

    def _lease(self, name: str) -> contextlib.AbstractContextManager[None]:
        path = self._marks / f"{checked(name)}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        return locked(path, LEASE_WAIT, f"the workspace {name}")

    def _marker(self, name: str) -> Marker | None:
        file = self._marks / f"{checked(name)}.json"
        try:
            return Marker.model_validate_json(file.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def _known(self, name: str) -> Marker:
        marker = self._marker(name)
        if marker is None:
            raise WorkspaceDamaged(f"the workspace {name} has not been prepared here; ensure() comes first")
        return marker

    def _mark(self, name: str, marker: Marker) -> None:
        """Replace the marker in one step."""
        file = self._marks / f"{checked(name)}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        new.write_bytes(marker.stored())
        new.replace(file)


def checked(name: str) -> str:
    """The name, if it stays beneath the root. Raises `Refused`."""
    if not _NAME.match(name) or ".." in name or len(name) > 500:
        raise Refused(f"a workspace is named like 'trace/write/item-1', not {name[:80]!r}")
    return name


def _with_patches(mirror: Mirror, tree: str, patches: tuple[str, ...], read: Callable[[str], bytes]) -> str:
    for digest in patches:
        applied = mirror.apply(tree, read(digest))
        if applied.tree is None:
            raise WorkspaceDamaged(f"patch {digest[:12]}… does not fit {tree[:12]} in {', '.join(applied.conflicts)}")
        tree = applied.tree
    return tree
