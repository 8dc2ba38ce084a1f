"""Where each declared folder, log and database is. A name that the settings do not have leads nowhere."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.resources.databases import Reader, reader
from activities.resources.knowledge import Knowledge
from contracts.errors import BatonError, Misconfigured
from contracts.step_resources import (
    Database,
    DatabaseSetting,
    FindResources,
    Folder,
    FolderSetting,
    FoundResources,
    Logs,
    LogsSetting,
)

S = TypeVar("S")

TABLES = {"folder": "folders", "logs": "logs", "database": "databases"}


class NotDeclared(BatonError):
    """The worker's settings have no such resource, or it is not where they say."""


@dataclass(frozen=True)
class Resources:
    """The folders, logs and databases of a worker's settings, by name."""

    folders: Mapping[str, FolderSetting] = field(default_factory=dict)
    logs: Mapping[str, LogsSetting] = field(default_factory=dict)
    databases: Mapping[str, DatabaseSetting] = field(default_factory=dict)
    knowledge: Knowledge = field(default_factory=Knowledge, compare=False)

    @activity.defn
    async def find_resources(self, request: FindResources) -> FoundResources:
        """Say whether this worker has them all. It changes nothing.

        Fails as a refused input for one that is not declared, is not there, or may not be written: trying again helps only
        when the settings or the input have been corrected.
        """
        for one in request.resources.each:
            try:
                self.find(one)
            except (NotDeclared, Misconfigured) as error:
                raise ApplicationError(str(error), type="InputRefused", non_retryable=True) from None
        return FoundResources()

    def find(self, use: Folder | Logs | Database) -> None:
        """Raise `NotDeclared` for a resource that cannot be used as it is asked for, and say what would help."""
        if isinstance(use, Database):
            self.database(use)
        elif isinstance(use, Folder):
            self.folder(use)
        elif not use.snapshot:  # copies are in the ledger, and need no settings
            self.log_files(use)

    def folder(self, use: Folder) -> Path:
        """Where the folder is. Raises `NotDeclared`."""
        setting = _setting(self.folders, use)
        if use.access == "write" and not setting.write:
            raise _only_read(use)
        return _there(use, setting.path)

    def log_files(self, use: Logs) -> LogsSetting:
        """Where the log files are. Raises `NotDeclared`."""
        setting = _setting(self.logs, use)
        return setting.model_copy(update={"path": _there(use, setting.path)})

    def database(self, use: Database) -> Reader:
        """The database, to be read through its declared queries. Raises `NotDeclared`, or `Misconfigured` for its URL."""
        setting = _setting(self.databases, use)
        if use.access == "write" and not setting.write:
            raise _only_read(use)
        return reader(use.name, setting)


def _setting(declared: Mapping[str, S], use: Folder | Logs | Database) -> S:
    found = declared.get(use.name)
    if found is None:
        raise NotDeclared(
            f"no {_what(use)} is called {use.name!r} here; {_those(declared)}. "
            f"Declare it in the worker's baton.toml as [{TABLES[use.kind]}.{use.name}], or name another one"
        )
    return found


def _what(use: Folder | Logs | Database) -> str:
    return {"folder": "folder", "logs": "service's logs", "database": "database"}[use.kind]


def _those(names: Iterable[str]) -> str:
    return f"there are {', '.join(sorted(names))}" if names else "none is declared"


def _only_read(use: Folder | Database) -> NotDeclared:
    table = f"[{TABLES[use.kind]}.{use.name}]"
    return NotDeclared(f"the {use.kind} {use.name!r} may only be read; set write = true in {table} of the worker's baton.toml")


def _there(use: Folder | Logs, path: Path) -> Path:
    if not path.is_dir():
        table = f"[{TABLES[use.kind]}.{use.name}]"
        raise NotDeclared(f"{path}, which {table} of the worker's baton.toml names, is no folder on this machine")
    return path.resolve()
