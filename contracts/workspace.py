"""A workspace by what it is made from, so that any worker can build it again."""

from pydantic import Field

from contracts.base import Contract, Digest


class WorkspaceRef(Contract, name="workspace_ref/1"):
    """A folder of files: the base of a repository with patches applied to it, in order."""

    repository: str
    base: str = Field(description="commit or tree id")
    patches: tuple[Digest, ...] = Field(default=(), description="artifacts with patches, applied in order")
