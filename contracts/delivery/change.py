"""A delivery's change, as it is approved and pushed."""

from pydantic import Field

from contracts.base import ArtifactRef, Contract, Digest, is_none
from contracts.delivery.testing import Judged, Verdict
from contracts.intents import Intent
from contracts.repositories import Base, ChangeCounts, FileChange, WorkspaceRef
from contracts.runs import Request


class ChangeSubject(Contract, name="change_subject/1"):
    """What the change gate approves and the push executes: exactly these bytes."""

    repository: str
    base: str
    tree: str
    branch: str
    patch: ArtifactRef
    message: str
    verdict: Verdict
    report: Digest
    author: str | None = Field(default=None, exclude_if=is_none, description="of the commit; None: Baton")


class Freeze(Request, name="freeze/1"):
    """Freeze what the change gate shows and what the push executes."""

    start: WorkspaceRef
    base: Base
    instruction: str
    summary: str
    branch: str | None
    judged: Judged


class Frozen(Contract, name="frozen/1", brief=True):
    """The subject of the change gate, the action that its approval allows, and the whole change."""

    subject: ChangeSubject
    intent: Intent
    files: tuple[FileChange, ...]
    counts: ChangeCounts | None = Field(default=None, description="None: every file is named above")
    forms: tuple[str, ...] = Field(
        default=(), description="computed facts that a diff shows badly: line ends, encoding, modes, hidden characters"
    )
    collisions: tuple[str, ...] = Field(
        default=(), description="pairs of names that are one name on many disks, one of each new; the first of them"
    )
    ignored: tuple[str, ...] = Field(default=(), description="new files that the repository ignores; the first of them")
    there: str = Field(default="", description="that the target has exactly this under the branch's name already, and by whom")
    blocked: str = Field(default="", description="why the target cannot take a new branch of this name now")


class Redirect(Request, name="redirect/1"):
    """Ask for the same approved tree as another branch, or by another author, after the target has refused the push."""

    frozen: Frozen
    branch: str
    author: str | None = Field(default=None, description="`Name <address>`; None: as before")
