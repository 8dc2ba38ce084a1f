"""Tools that read a declared folder, or the log files of a service. They read as those of the workspace do, somewhere else."""

import asyncio

from pydantic import Field

from activities.resources import NotDeclared
from activities.tools.access import Tree
from activities.tools.base import Need, Tool, ToolContext, ToolOutcome, ToolProblem
from activities.tools.files import TEXT_LIMIT, FileList, FileText, ListFiles, ReadFile, lines_of, listed
from activities.tools.search import Search, SearchResult, found_in
from contracts.globs import at_any_depth, fits
from contracts.step_resources import Folder, Logs

_WHICH_FOLDER = Field(default=None, description="name of the folder; null: the only one of this step")
_WHICH_LOGS = Field(default=None, description="whose logs, by name; null: the only ones of this step")


class ListFolder(ListFiles):
    """Which part of which folder."""

    folder: str | None = _WHICH_FOLDER


class ReadFolder(ReadFile):
    """Which lines of which file of which folder."""

    folder: str | None = _WHICH_FOLDER


class SearchFolder(Search):
    """What to look for in which folder."""

    folder: str | None = _WHICH_FOLDER


class ListLogs(ListFiles):
    """Which log files."""

    logs: str | None = _WHICH_LOGS


class ReadLog(ReadFile):
    """Which lines of which log file."""

    logs: str | None = _WHICH_LOGS


class SearchLogs(Search):
    """What to look for in whose logs."""

    logs: str | None = _WHICH_LOGS


def _folder(context: ToolContext, name: str | None) -> Tree:
    use = context.chosen(Folder, name)
    try:
        return Tree(context.declared().folder(use), "list_folder")
    except NotDeclared as error:
        raise ToolProblem(str(error)) from None


def _logs(context: ToolContext, name: str | None) -> Tree:
    use = context.chosen(Logs, name)
    if use.snapshot:
        raise ToolProblem("these logs are copies; find_records, read_copy, tail_copy and time_line read them")
    try:
        setting = context.declared().log_files(use)
    except NotDeclared as error:
        raise ToolProblem(str(error)) from None
    return Tree(setting.path, "list_logs", lambda path: fits(path, at_any_depth(setting.files)))


async def _list_folder(context: ToolContext, asked: ListFolder) -> ToolOutcome:
    return await asyncio.to_thread(listed, _folder(context, asked.folder), asked)


async def _read_folder(context: ToolContext, asked: ReadFolder) -> ToolOutcome:
    return await asyncio.to_thread(lines_of, _folder(context, asked.folder), asked)


async def _search_folder(context: ToolContext, asked: SearchFolder) -> ToolOutcome:
    return await asyncio.to_thread(found_in, _folder(context, asked.folder), asked)


async def _list_logs(context: ToolContext, asked: ListLogs) -> ToolOutcome:
    return await asyncio.to_thread(listed, _logs(context, asked.logs), asked)


async def _read_log(context: ToolContext, asked: ReadLog) -> ToolOutcome:
    return await asyncio.to_thread(lines_of, _logs(context, asked.logs), asked)


async def _search_logs(context: ToolContext, asked: SearchLogs) -> ToolOutcome:
    return await asyncio.to_thread(found_in, _logs(context, asked.logs), asked)


_FOLDER, _LOGS = Need("folder"), Need("logs")

TREE_TOOLS = (
    Tool(
        "list_folder",
        "List a declared folder, or files beneath it that fit a pattern.",
        ListFolder,
        FileList,
        _list_folder,
        _FOLDER,
    ),
    Tool(
        "read_folder",
        f"Read lines of a text file of a declared folder, at most {TEXT_LIMIT} characters at a time.",
        ReadFolder,
        FileText,
        _read_folder,
        _FOLDER,
    ),
    Tool(
        "search_folder",
        "Find lines that hold a text (or match a regular expression) in a declared folder. Rows are file:line:text.",
        SearchFolder,
        SearchResult,
        _search_folder,
        _FOLDER,
    ),
    Tool("list_logs", "List a service's log files.", ListLogs, FileList, _list_logs, _LOGS),
    Tool(
        "read_log",
        f"Read lines of one log file, at most {TEXT_LIMIT} characters at a time.",
        ReadLog,
        FileText,
        _read_log,
        _LOGS,
    ),
    Tool(
        "search_logs",
        "Find lines that hold a text (or match a regular expression) in a service's log files. Rows are file:line:text.",
        SearchLogs,
        SearchResult,
        _search_logs,
        _LOGS,
    ),
)
