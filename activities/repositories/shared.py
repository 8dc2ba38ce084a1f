"""What the activities of this room share: mirrors, workspaces, the patches in the ledger, and which errors end them."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection
from temporalio.exceptions import ApplicationError

from activities.files.paths import PathRefused
from activities.git import PERMANENT, UNREADABLE, Mirror, Mirrors
from activities.repositories.workspaces import Workspaces
from activities.sandbox import Sandbox
from contracts.base import ArtifactRef
from contracts.errors import BatonError, Misconfigured, Refused
from contracts.repositories import FileChange, WorkspaceRef
from contracts.runs import RunRef
from ledger import artifacts
from ledger.db import Ledger

T = TypeVar("T")

NOT_MENDED: tuple[type[BatonError], ...] = (*PERMANENT, *UNREADABLE, PathRefused, Refused, Misconfigured)
"""Errors of git, files and the sandbox that a retry does not mend."""


@dataclass(frozen=True)
class Repositories:
    """Repositories as one worker has them. Methods that read patches block: call them in threads."""

    ledger: Ledger
    mirrors: Mirrors
    workspaces: Workspaces

    def tree(self, mirror: Mirror, ref: WorkspaceRef) -> str:
        """The tree that a workspace starts from. Its patches were made on exactly what they are applied to here."""
        tree = mirror.tree_of(ref.base)
        for digest in ref.patches:
            applied = mirror.apply(tree, self.patch(digest))
            if applied.tree is None:
                raise BatonError(f"patch {digest[:12]}… no longer fits {tree[:12]} in {', '.join(applied.conflicts)}")
            tree = applied.tree
        return tree

    def patch(self, digest: str) -> bytes:
        """A patch that an earlier step has kept. Raises `NotFound`."""
        return self.ledger.read_now(artifacts.get, self.ledger.files, digest)

    def keep(
        self, connection: Connection, run: RunRef, data: bytes, name: str, media_type: str, *, untrusted: bool = False
    ) -> ArtifactRef:
        """Keep what a step made, under its name in the run's record. Keeping it again changes nothing."""
        kept = artifacts.put(connection, self.ledger.files, data, media_type)
        artifacts.note_seen(connection, run.trace, run.path, kept.digest, name, untrusted=untrusted)
        return kept

    def keep_listing(self, connection: Connection, run: RunRef, listing: bytes, name: str) -> None:
        """Keep the whole list of a change's files, where the contract names only the first; nothing where it names all."""
        if listing:
            self.keep(connection, run, listing, name, "application/json")


def changes(mirror: Mirror, old: str, new: str) -> tuple[FileChange, ...]:
    """What differs between two trees, as a contract."""
    found = mirror.changes(old, new)
    return tuple(FileChange(path=one.path, status=one.status, added=one.added, removed=one.removed) for one in found)


async def guarded(work: Awaitable[T]) -> T:
    """Errors that a retry cannot mend end the activity at once, with the text that says what to do."""
    try:
        return await work
    except NOT_MENDED as error:
        # Not chained: a traceback says nothing to whoever has to correct the input, and history keeps it for good.
        raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from None


def required(sandbox: Sandbox | None) -> Sandbox:
    """The sandbox. Raises a permanent `ApplicationError` on a worker that has none."""
    if sandbox is None:
        raise ApplicationError(
            "this worker has no sandbox, so no check is run; `baton doctor` says how to get one",
            type="SandboxUnavailable",
            non_retryable=True,
        )
    return sandbox
