"""A step's files, as everybody names them who hands them on: apart from what is done with them, so that they load alone."""

from pydantic import Field

from contracts.base import Contract, Digest
from contracts.step_resources import Access


class WorkspaceRef(Contract, name="workspace_ref/1"):
    """A folder of files: the base of a repository with patches applied to it, in order."""

    repository: str
    base: str = Field(description="commit or tree id")
    patches: tuple[Digest, ...] = Field(default=(), description="artifacts with patches, applied in order")


class Workspace(Contract):
    """A workspace as one step sees it: its name, its start, and the state that its edits have reached."""

    name: str
    ref: WorkspaceRef
    state: Digest | None = Field(default=None, description="patch from the start to now; None: nothing changed yet")
    check: str | None = None
    environment: str | None = None
    access: Access = Field(default="read", description="write: the step's tools may change its files")
