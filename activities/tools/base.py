"""What a tool is: an argument model, a result model and a function."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from contracts.base import Contract
from contracts.errors import BatonError, ContractViolation
from contracts.outside import SourceKind, as_taint
from contracts.step_resources import Access, Database, Declared, Folder, Logs, ResourceKind

if TYPE_CHECKING:
    from activities.git.lfs import Store
    from activities.repositories.check_run import Ran
    from activities.resources import Resources
    from activities.sandbox import Sandbox
    from activities.tools.programs import Programs
    from ledger.db import Ledger

Effect = Literal["none", "workspace"]
"""What a tool changes: nothing, or files of the step's own workspace. Effects on the outside world are actions, not tools."""

D = TypeVar("D", Database, Folder, Logs)

RunCheck = Callable[[], Awaitable["Ran"]]
"""Runs the declared check. Raises `ToolProblem` if it cannot be run."""

Content = Callable[[], "Store"]
"""Opens the content of a workspace's repository that Git LFS keeps outside of it."""

RESULT_LIMIT = 32 * 1024
"""Most characters of a tool result that a model sees. Tools cut earlier and say so; this is the last line of defence."""


class ToolProblem(BatonError):
    """The tool could not do it. The text goes to the model as the call's result, and says what would work."""


@dataclass(frozen=True)
class Source:
    """Bytes that a tool really read. They become an artifact that evidence may quote.

    `untrusted` means that the bytes come from outside (a repository, a command's output): what is made from them is tainted.
    `origin` is the id of what this run made and the bytes are of; "" where they are nothing of its own. `sources` are those
    of the bytes themselves, beside the tool that shows them.
    """

    name: str
    data: bytes
    media_type: str = "text/plain"
    untrusted: bool = True
    origin: str = ""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToolOutcome:
    """A tool's typed result and the bytes that it read for it. `undone`: what it did to the workspace is not to stay."""

    result: Contract
    sources: tuple[Source, ...] = ()
    undone: bool = False


@dataclass(frozen=True)
class ToolContext:
    """What a tool may touch in this call: one workspace, what the step declares, this run's part of the ledger, the sandbox.

    `workspace` is None for a step that has none. `given` are the databases, folders and logs of the step, `resources` knows
    where they are. `lfs` opens the content that Git LFS keeps outside the workspace; None: pointers stay pointers. `check`
    runs the step's declared check on the workspace as it is now; None where none was declared. `environment` is what was
    prepared for that check; None: Baton's own Python. `patch` reads what the workspace
    differs in from its start, raising `GitProblem` where that cannot be stored; None where nothing may be written.
    """

    trace: str
    path: str
    agent: str
    workspace: Path | None = None
    ledger: "Ledger | None" = None
    sandbox: "Sandbox | None" = None
    check: "RunCheck | None" = None
    lfs: "Content | None" = None
    given: Declared = field(default_factory=Declared)
    resources: "Resources | None" = None
    programs: "Programs | None" = None
    patch: "Callable[[], Awaitable[bytes]] | None" = None
    environment: Path | None = None

    def root(self) -> Path:
        """The workspace's folder. Raises `ToolProblem` if the step has none."""
        if self.workspace is None:
            raise ToolProblem("this step has no workspace; its tools can only read what the run recorded")
        return self.workspace

    def declared(self) -> "Resources":
        """Where declared resources are. Raises `ToolProblem` where this worker has none."""
        if self.resources is None:
            raise ToolProblem("this worker's settings declare no folders, logs or databases")
        return self.resources

    def chosen(self, kind: type[D], name: str | None) -> D:
        """The step's resource of this kind with this name; None: the only one. Raises `ToolProblem`, naming those there are."""
        there = {one.name: one for one in self.given.each if isinstance(one, kind)}
        what = kind.__name__.lower()
        if not there:
            raise ToolProblem(f"this step has no {what}, so there is nothing that this tool could read")
        if name is None and len(there) == 1:
            return next(iter(there.values()))
        names = ", ".join(sorted(there))
        if name is None:
            raise ToolProblem(f"this step has more than one {what}; say which: {names}")
        if name not in there:
            raise ToolProblem(f"this step has no {what} {name!r}; it has: {names}")
        return there[name]


@dataclass(frozen=True)
class Need:
    """What a tool works on, and whether it only reads it."""

    kind: ResourceKind
    access: Access = "read"


_SOURCES: Mapping[ResourceKind, SourceKind] = {"workspace": "repo", "logs": "log"}
"""The kind of source that a resource is. A folder or a database may hold anything: its tool alone is named."""

READS = Need("workspace")
WRITES = Need("workspace", "write")


@dataclass(frozen=True)
class Tool:
    """One tool. `takes` and `returns` are contracts; `run` gets checked arguments and raises `ToolProblem` to say no.

    `needs` is the kind of resource that it works on; None: the run's own record, or nothing. An agent that has the tool has
    to declare it. `shows` is the source of what it shows; "": that of what it works on.
    """

    name: str
    description: str
    takes: type[Contract]
    returns: type[Contract]
    run: Callable[[ToolContext, Any], Awaitable[ToolOutcome]]
    needs: Need | None = None
    shows: SourceKind | Literal[""] = ""

    @property
    def source(self) -> str:
        """The source from outside that any result of it comes from, a failure too: it may quote what is there. "" for none."""
        if self.needs is None:
            return self.shows
        return self.shows or _SOURCES.get(self.needs.kind, f"tool:{self.name}")

    def sources(self, shown: Source | None = None) -> tuple[str, ...]:
        """The names of all sources that bytes which it showed come from, itself included."""
        return as_taint((self.source, f"tool:{self.name}", *(shown.sources if shown is not None else ())))

    @property
    def effect(self) -> Effect:
        """What it changes."""
        return "workspace" if self.needs == WRITES else "none"

    async def call(self, context: ToolContext, arguments: bytes) -> ToolOutcome:
        """Check the arguments strictly, then run. Raises `ToolProblem` with everything that is wrong with them."""
        try:
            parsed = self.takes.read_strict(arguments)
        except ContractViolation as error:
            raise ToolProblem(f"arguments of {self.name} refused: {'; '.join(error.problems)}") from None
        return await self.run(context, parsed)
