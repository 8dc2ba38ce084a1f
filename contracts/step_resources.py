"""What the tools of a step work on, beside its workspace: databases, folders and logs, each declared by name in the settings.

A step, an agent and a tool name a resource; only the settings of the worker say where it is. No prompt can lead elsewhere.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr, model_validator

from contracts.base import Contract, Input, Line, is_empty
from contracts.runs import Request

ResourceKind = Literal["workspace", "database", "folder", "logs"]

Access = Literal["read", "write"]
"""What a step may do with a resource. `write` includes `read`."""

NAME = r"^[a-z][a-z0-9_-]{0,39}$"
"""How a declared resource is called."""

Name = Annotated[str, Field(pattern=NAME)]


class Database(Contract):
    """A database of the settings' `[databases.NAME]`."""

    kind: ClassVar[ResourceKind] = "database"

    name: Name
    access: Access = "read"
    fixed: dict[Name, str | int | bool] = Field(
        default={},
        exclude_if=is_empty,
        description="parameters that the story has set: each query that takes one is given this value and no other",
    )


class Folder(Contract):
    """A folder of the settings' `[folders.NAME]`, with all that lies beneath it."""

    kind: ClassVar[ResourceKind] = "folder"

    name: Name
    access: Access = "read"


class Logs(Contract):
    """The log files of the settings' `[logs.NAME]`, or a run's copies of a service's. Logs are read and never written."""

    kind: ClassVar[ResourceKind] = "logs"

    name: Name
    access: Literal["read"] = "read"
    snapshot: str = Field(
        default="", exclude_if=is_empty, description="the artifact that lists the copies; empty: what the settings declare"
    )


class Declared(Contract):
    """What a step works on that the worker finds in its settings."""

    databases: tuple[Database, ...] = ()
    folders: tuple[Folder, ...] = ()
    logs: tuple[Logs, ...] = ()

    @property
    def each(self) -> tuple[Database | Folder | Logs, ...]:
        """All of them."""
        return (*self.databases, *self.folders, *self.logs)


class FindResources(Request, name="find_resources/1"):
    """Ask whether this worker has what a step is to work on, before anything is paid for the step."""

    resources: Declared


class FoundResources(Contract, name="found_resources/1", brief=True):
    """That all of them are there."""


class FolderSetting(Input):
    """A table `[folders.NAME]`: where the folder is, and whether a step may have it for writing."""

    path: Path = Field(description="the folder on the worker's machine")
    write: bool = Field(default=False, description="whether a step may have it for writing")


class LogsSetting(Input):
    """A table `[logs.NAME]`: the folder of the log files, and which files beneath it belong to them."""

    path: Path = Field(description="the folder of the log files")
    files: str = Field(
        default="**", min_length=1, max_length=300, description="a glob; without a slash it fits at any depth, as in *.log"
    )
    command: tuple[Line, ...] = Field(
        default=(),
        max_length=50,
        description="a program with its arguments, whose output is the log in place of the files; it runs in the sandbox, "
        "sees the folder, and may write nothing. Only a diagnosis runs it",
    )


class QuerySetting(Input):
    """A query that agents may run by its name: what it answers, and one SELECT whose parameters are written `:name`."""

    about: str = Field(min_length=1, max_length=300, description="what the query answers; agents read it")
    sql: str = Field(min_length=1, max_length=20_000, description="one SELECT; its parameters are written `:name`")


class DatabaseSetting(Input):
    """A table `[databases.NAME]`: its SQLAlchemy URL, or a file that holds it, and the queries that agents may run."""

    url: SecretStr = Field(default=SecretStr(""), description="its SQLAlchemy URL; exactly one of url and url_file")
    url_file: Path | None = Field(default=None, description="file that holds the URL, for secrets")
    write: bool = Field(default=False, description="whether a step may have it for writing")
    queries: dict[Name, QuerySetting] = Field(default={}, description="by name; agents run these and no others")

    @model_validator(mode="after")
    def _is_somewhere(self) -> "DatabaseSetting":
        if bool(self.url.get_secret_value()) == (self.url_file is not None):
            raise ValueError("say where it is: exactly one of url and url_file")
        return self
