"""Folders in which agents work. Each can be rebuilt from its reference and one patch, on any machine, at any time.

A folder is trusted only if its marker, kept outside of it, says that it is exactly the recorded state. A worker killed
during an edit leaves a marker that says otherwise, and the next one rebuilds the folder.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from secrets import token_hex

from pydantic import Field

from activities.files.atomic import write_durably
from activities.files.locks import Busy, locked
from activities.git import Mirror, Mirrors
from activities.git.lfs import Store
from activities.git.trees import Kept, delete_folder
from contracts.base import Contract, sha256
from contracts.errors import BatonError, ContractViolation, NotFound, Refused
from contracts.repositories import WorkspaceRef

LEASE_WAIT = timedelta(minutes=2)
"""How long a second process waits for a workspace that is in use."""

ReadPatch = Callable[[str], bytes]

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_LONGEST = 200


class WorkspaceDamaged(BatonError):
    """The workspace cannot be built from its reference. The text names the patch, and where it does not apply."""


class Marker(Contract):
    """What is recorded about a folder: its origin, the patch from its start to now (None: unchanged), and whether a change
    has begun and not ended."""

    ref: WorkspaceRef
    start_tree: str
    state: str | None = None
    dirty: bool = False
    links: bool = Field(default=False, description="symbolic links are links there; before, they were text files")


@dataclass(frozen=True)
class Lease:
    """Proof that a workspace is held. Methods that are given it do not take the lease themselves."""

    name: str


class Workspaces:
    """All workspaces of one machine, under one folder. Methods block: call them in threads."""

    def __init__(self, root: Path, mirrors: Mirrors) -> None:
        self._root = root
        self._mirrors = mirrors

    @contextmanager
    def lease(self, name: str, wait: timedelta = LEASE_WAIT) -> Iterator[Lease]:
        """Hold a workspace for several steps. Raises `Busy` if another process does not release it in time."""
        with locked(self._path("leases", name, ".lock"), wait, f"workspace {name}"):
            yield Lease(name)

    def ensure(self, name: str, ref: WorkspaceRef, state: str | None, read: ReadPatch, *, lease: Lease | None = None) -> Path:
        """The folder in exactly the recorded state: left as it is if its marker says so, else rebuilt. Safe to call twice.

        `state` is the artifact with the patch from the start to that state; None means unchanged. Raises `WorkspaceDamaged`
        if a patch is damaged or does not apply, `Busy`, and what `Mirror.tree_of` raises.
        """
        with self._held(name, lease):
            found, directory = self.marker(name), self._path("files", name)
            sound = found is not None and (found.ref, found.state, found.dirty, found.links) == (ref, state, False, True)
            if not (sound and directory.is_dir()):
                self._build(name, ref, state, read)
            return directory

    def lfs(self, repository: str) -> Store:
        """The content of a repository that Git LFS keeps outside of it."""
        return self._mirrors.open(repository).lfs

    def marker(self, name: str) -> Marker | None:
        """What is recorded about the workspace; None if it is not here or its marker cannot be read."""
        try:
            return Marker.read(self._path("marks", name, ".json").read_bytes())
        except (FileNotFoundError, ContractViolation):
            return None

    def begin_change(self, name: str, *, lease: Lease | None = None) -> None:
        """Record that the files are about to change. Until `end_change` nobody trusts the folder."""
        with self._held(name, lease):
            self._mark(name, self._known(name).model_copy(update={"dirty": True}))

    def end_change(self, name: str, state: str | None, *, lease: Lease | None = None) -> None:
        """Record that the files are the start with this stored patch. None: they are the start again."""
        with self._held(name, lease):
            self._mark(name, self._known(name).model_copy(update={"dirty": False, "state": state}))

    def start_tree(self, name: str) -> str:
        """The tree that the workspace started from. Raises `NotFound`."""
        return self._known(name).start_tree

    def snapshot(self, name: str) -> tuple[Mirror, str]:
        """The mirror, and the tree of the files as they are now. The marker does not change: `end_change` does that."""
        known = self._known(name)
        mirror = self._mirrors.open(known.ref.repository)
        return mirror, mirror.snapshot(self._path("files", name), known.start_tree, self._path("indexes", name))

    def patch(self, name: str) -> bytes:
        """The patch from the start to the files as they are now; empty if nothing changed."""
        mirror, tree = self.snapshot(name)
        return mirror.diff(self.start_tree(name), tree)

    def remove(self, name: str) -> None:
        """Delete the workspace, and all whose names begin with `name/`; the ledger keeps their patches. Safe to call twice."""
        self._path("files", name)
        for found in self._names():
            if found == name or found.startswith(f"{name}/"):
                with self.lease(found):
                    self._delete(found)

    def sweep(self, keep: set[str]) -> tuple[str, ...]:
        """Delete every workspace except those in `keep` and beneath them, and what killed checks left.

        Returns the deleted names. What another process holds is left for the next sweep.
        """
        kept = [name for name in self._names() if any(name == one or name.startswith(f"{one}/") for one in keep)]
        removed = [name for name in self._names() if name not in kept and self._free_and_deleted(name)]
        for folder in {path.with_suffix("") for path in (self._root / "scratch").glob("*")}:
            _delete_if_free(folder)
        return tuple(removed)

    def traces(self) -> set[str]:
        """The run families that have a workspace here."""
        return {name.partition("/")[0] for name in self._names()}

    def clear(self, traces: set[str]) -> tuple[str, ...]:
        """Delete the workspaces of these run families; what another process holds is left. Returns the deleted names."""
        theirs = (name for name in self._names() if name.partition("/")[0] in traces)
        return tuple(name for name in theirs if self._free_and_deleted(name))

    @contextmanager
    def scratch(self, mirror: Mirror, tree: str) -> Iterator[Path]:
        """A throw-away folder with these files as a checkout has them, outside every workspace. Deleted on leaving.

        What Git LFS keeps is there as far as it is to be had, else its pointer.
        """
        folder = self._root / "scratch" / token_hex(8)
        # A check can create a setuid program, which runs as this user whoever starts it: nobody else may get in here.
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.parent.chmod(0o700)
        with locked(folder.with_suffix(".lock"), LEASE_WAIT, "a new scratch folder"):
            try:
                mirror.checkout(tree, folder, converted=True)
                mirror.lfs.fill(tree, folder)
                yield folder
            finally:
                delete_folder(folder)
                folder.with_suffix(".lock").unlink(missing_ok=True)

    def _build(self, name: str, ref: WorkspaceRef, state: str | None, read: ReadPatch) -> None:
        # First: a worker that dies while building leaves a folder without a marker, which nobody trusts.
        self._path("marks", name, ".json").unlink(missing_ok=True)
        mirror = self._mirrors.open(ref.repository)
        start = mirror.tree_of(ref.base)
        for digest in ref.patches:
            start = _patched(mirror, name, start, digest, read)
        now = start if state is None else _patched(mirror, name, start, state, read)
        index = self._path("indexes", name)
        index.parent.mkdir(parents=True, exist_ok=True)
        # Of the start, which every patch goes from, whatever the folder holds now.
        mirror.checkout(now, self._path("files", name), keep=Kept(index, start))
        # A program can leave one that runs as this user whoever starts it: nobody else may get in here.
        self._path("files", name).parent.chmod(0o700)
        # Last: from here on the folder is trusted.
        self._mark(name, Marker(ref=ref, start_tree=start, state=state, links=True))

    def _path(self, kind: str, name: str, suffix: str = "") -> Path:
        """A path that belongs to this workspace. A name cannot lead elsewhere: its parts are checked and joined flat."""
        parts = name.split("/")
        if len(name) > _LONGEST or not all(_PART.match(part) for part in parts):
            raise Refused(
                f"{name[:80]!r} cannot be a workspace's name: use letters, digits, dots, dashes and underscores between "
                f"slashes, each part starting with a letter or digit, {_LONGEST} characters in all"
            )
        # No part can hold `~`, so `_names` can read a name back from its file's name.
        return self._root / kind / ("~".join(parts) + suffix)

    def _held(self, name: str, lease: Lease | None) -> AbstractContextManager[Lease]:
        if lease is None:
            return self.lease(name)
        if lease.name != name:
            raise ValueError(f"this is the lease of {lease.name}, not of {name}")
        return nullcontext(lease)

    def _known(self, name: str) -> Marker:
        known = self.marker(name)
        if known is None:
            raise NotFound(f"there is no workspace {name} on this machine; `ensure` makes it from its reference")
        return known

    def _mark(self, name: str, marker: Marker) -> None:
        write_durably(self._path("marks", name, ".json"), marker.stored())

    def _names(self) -> list[str]:
        found = [*(self._root / "files").glob("*"), *(self._root / "marks").glob("*.json")]
        return sorted({path.name.removesuffix(".json").replace("~", "/") for path in found if not path.name.startswith(".")})

    def _delete(self, name: str) -> None:
        mark = self._path("marks", name, ".json")
        for path in (mark, *mark.parent.glob(f".{mark.name}.*")):  # the others are leftovers of killed writers
            path.unlink(missing_ok=True)
        # After the marker: what a killed deletion leaves behind must not be trusted.
        delete_folder(self._path("files", name))
        index = self._path("indexes", name)
        for path in (index, *index.parent.glob(f"{index.name}-{'[0-9a-f]' * 16}*")):
            path.unlink(missing_ok=True)
        # Last, and while it is held. A waiting process notices that the lock file has lost its name (see `locked`).
        self._path("leases", name, ".lock").unlink(missing_ok=True)

    def _free_and_deleted(self, name: str) -> bool:
        try:
            with self.lease(name, timedelta(0)):
                self._delete(name)
        except Busy:
            return False
        return True


def _delete_if_free(folder: Path) -> None:
    with suppress(Busy), locked(folder.with_suffix(".lock"), timedelta(0), folder.name):
        delete_folder(folder)
        folder.with_suffix(".lock").unlink(missing_ok=True)


def _patched(mirror: Mirror, name: str, tree: str, digest: str, read: ReadPatch) -> str:
    patch = read(digest)
    if sha256(patch) != digest:
        raise WorkspaceDamaged(f"workspace {name}: the stored patch {digest[:12]} is damaged; restore the artifact store")
    applied = mirror.apply(tree, patch)
    if applied.tree is None:
        raise WorkspaceDamaged(
            f"workspace {name}: patch {digest[:12]} does not fit in {', '.join(applied.conflicts[:10])}; "
            "it was made for other files, so correct the reference"
        )
    return applied.tree
