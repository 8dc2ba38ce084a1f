"""What this room's activities share: mirrors, workspaces, patches in the ledger, and which errors are permanent."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection
from temporalio.exceptions import ApplicationError

from activities.files.paths import PathRefused
from activities.git import PERMANENT, UNREADABLE, Mirror, Mirrors, TreeChange
from activities.repositories import judging
from activities.repositories.workspaces import Workspaces
from activities.sandbox import Sandbox
from contracts.base import ArtifactRef
from contracts.errors import BatonError, Misconfigured, Refused
from contracts.outside import SourceKind
from contracts.repositories import FileChange, WorkspaceRef
from contracts.runs import RunRef
from ledger import artifacts, handoffs
from ledger.db import Ledger

T = TypeVar("T")

SOURCE_LIMIT = 1024 * 1024
"""Bytes of a file that is read for what it says."""

NOT_MENDED: tuple[type[BatonError], ...] = (*PERMANENT, *UNREADABLE, PathRefused, Refused, Misconfigured)
"""Errors of git, files and the sandbox that a retry cannot fix."""


@dataclass(frozen=True)
class Repositories:
    """One worker's access to repositories. Methods that read patches block: call them in threads."""

    ledger: Ledger
    mirrors: Mirrors
    workspaces: Workspaces

    def tree(self, mirror: Mirror, ref: WorkspaceRef) -> str:
        """The tree that a workspace starts from: its base with its patches, which were made for exactly these trees."""
        tree = mirror.tree_of(ref.base)
        for digest in ref.patches:
            applied = mirror.apply(tree, self.patch(digest))
            if applied.tree is None:
                raise BatonError(f"patch {digest[:12]}… no longer applies to {tree[:12]} in {', '.join(applied.conflicts)}")
            tree = applied.tree
        return tree

    def patch(self, digest: str) -> bytes:
        """A patch that an earlier step stored. Raises `NotFound`."""
        return self.ledger.read_now(artifacts.get, self.ledger.files, digest)

    def keep(
        self,
        connection: Connection,
        run: RunRef,
        data: bytes,
        name: str,
        media_type: str,
        *,
        untrusted: bool = False,
        sources: Sequence[SourceKind] = (),
        made_from: Sequence[str] = (),
    ) -> ArtifactRef:
        """Store what a step made, under its name in the run's record, with what it made it from. Safe to call twice."""
        kept = artifacts.put(connection, self.ledger.files, data, media_type)
        artifacts.note_seen(connection, run.trace, run.path, kept.digest, name, untrusted=untrusted, sources=sources)
        handoffs.derive(connection, run.trace, kept.digest, made_from)
        return kept

    def keep_listing(self, connection: Connection, run: RunRef, listing: bytes, name: str) -> None:
        """Store the whole list of a change's files; does nothing if the contract names all of them."""
        if listing:
            self.keep(connection, run, listing, name, "application/json")


def changes(mirror: Mirror, old: str, new: str) -> tuple[FileChange, ...]:
    """What differs between two trees, as a contract."""
    return as_contracts(mirror.changes(old, new))


def text_of(mirror: Mirror, tree: str, path: str) -> str | None:
    """The text of a file; None where there is none that can be read as text."""
    data = mirror.content(tree, path)
    if data is None or len(data) > SOURCE_LIMIT:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def lines_between(mirror: Mirror, base: str, tree: str, path: str) -> judging.Lines:
    """The changed lines of one file."""
    return judging.lines_of(mirror.lines(base, tree, path).decode(errors="replace"))


def as_contracts(found: Sequence[TreeChange]) -> tuple[FileChange, ...]:
    """Changes as contracts have them."""
    return tuple(FileChange(path=one.path, status=one.status, added=one.added, removed=one.removed) for one in found)


async def guarded(work: Awaitable[T]) -> T:
    """Turn errors that a retry cannot fix into non-retryable ones, with the text that says what to do."""
    try:
        return await work
    except NOT_MENDED as error:
        # Not chained: a traceback does not help to correct the input, and history would keep it for good.
        raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from None


def required(sandbox: Sandbox | None) -> Sandbox:
    """The sandbox. Raises a non-retryable `ApplicationError` on a worker that has none."""
    if sandbox is None:
        raise ApplicationError(
            "this worker has no sandbox, so no check is run; `baton doctor` says how to get one",
            type="SandboxUnavailable",
            non_retryable=True,
        )
    return sandbox
