"""What people type for the fields of an input: options, paths and files, each checked before anything is started."""

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotated_types import MaxLen

import places
from commands.errors import Usage
from contracts.base import BODY_LIMIT
from contracts.inputs import PipelineInput, Typed

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def flag_of(field: str) -> str:
    """The option for a field."""
    return "--" + field.replace("_", "-")


def flags_of(field: str, mark: Typed | None) -> list[str]:
    """Every spelling of the option for a field, the long one first."""
    if mark is None:
        return [flag_of(field)]
    return [mark.option or flag_of(field), *([mark.flag] if mark.flag else [])]


def typed_fields(contract: type[PipelineInput]) -> dict[str, Typed]:
    """The command-line form of the fields that declare one."""
    fields = contract.model_fields.items()
    return {name: mark for name, field in fields for mark in field.metadata if isinstance(mark, Typed)}


def repository(flag: str, typed: str) -> str:
    """The absolute path of a repository on this machine, or a URL as it is. Raises `Usage` for a path without one."""
    # A URL, or git's host:path unless a local file of that name exists: only the worker can tell whether it is there.
    if re.match(r"^[A-Za-z][A-Za-z0-9+.-]*://", typed) or (":" in typed.split("/", 1)[0] and not Path(typed).exists()):
        return _address(flag, typed)
    found = path(flag, typed)
    try:
        if not found.exists():
            raise Usage(f"{flag}: there is no folder {found}. Give the path of a local git repository, or a URL")
        # `.git` may be a file (a worktree); a bare repository has HEAD and objects instead.
        is_one = (found / ".git").exists() or ((found / "HEAD").is_file() and (found / "objects").is_dir())
        if found.is_dir():
            os.scandir(found).close()  # raises where its names may not be read
    except OSError as error:
        raise Usage(f"{flag}: {found} cannot be read: {places.unable(error)}") from None
    if not is_one:
        raise Usage(f"{flag}: {found} is not a git repository. Give its top folder, or run `git init` and commit")
    return str(found)


def _address(flag: str, typed: str) -> str:
    from activities.git import NoRepository, source

    try:
        source.parse(typed)
    except NoRepository as error:
        raise Usage(f"{flag}: {error}") from None
    return typed


def path(flag: str, typed: str) -> Path:
    """The absolute path that was typed, whether it is there or not. Raises `Usage`."""
    # A shell leaves ~ as it is within a word, as in --repository=~/shop.
    try:
        return places.whole(Path(typed))
    except ValueError as error:
        raise Usage(f"{flag}: {error}") from None


def folder(flag: str, typed: str) -> str:
    """The absolute path of a folder that is there. Raises `Usage`."""
    found = path(flag, typed)
    if not found.is_dir():
        raise Usage(f"{flag}: there is no folder {found}. Give the path of a folder on this machine")
    return str(found)


def _file(flag: str, typed: str) -> str:
    found = path(flag, typed)
    if found.is_dir():
        raise Usage(f"{flag}: {found} is a folder. Give the path of a file")
    if not found.is_file():
        raise Usage(f"{flag}: there is no file {found}. Give the path of a file on this machine")
    return str(found)


def content(flag: str, typed: str, most: int) -> str:
    """The text of a file on this machine, of at most so many characters. Raises `Usage`."""
    path = Path(_file(flag, typed))
    try:
        with path.open("rb") as opened:
            raw = opened.read(BODY_LIMIT + 1)  # one byte more, to see that it is too long without reading all of it
        text = raw.decode() if len(raw) <= BODY_LIMIT else ""
    except OSError as error:
        raise Usage(f"{flag}: {path} cannot be read: {error.strerror}. Give a readable file") from None
    except UnicodeDecodeError:
        raise Usage(f"{flag}: {path} is not UTF-8 text. Give a text file") from None
    if len(raw) > BODY_LIMIT or len(text) > most:
        raise Usage(
            f"{flag}: {path} is too large: it may have {most} characters and {BODY_LIMIT} bytes. Commit it to a branch of "
            "the repository and name that branch instead"
        )
    if not text.strip():
        raise Usage(f"{flag}: {path} is empty. Give a file with something in it")
    return text


def longest(field: "FieldInfo") -> int:
    """How many characters a field takes."""
    return min((limit.max_length for limit in field.metadata if isinstance(limit, MaxLen)), default=BODY_LIMIT)


def services(flag: str, typed: list[str]) -> list[Any]:
    """Services as an input has them: each NAME=LOGS with absolute paths, and all of a file @FILE. Raises `Usage`."""
    found: list[Any] = []
    for one in typed:
        if one.startswith("@"):
            found += _from_file(flag, one[1:])
            continue
        name, equals, sources = one.partition("=")
        if not equals or not sources.strip():
            raise Usage(f"{flag}: a service is typed as NAME=LOGS, such as shop=/var/log/shop/*.log; got {one[:80]!r}")
        found.append({"name": name.strip(), "logs": [_whole(flag, part) for part in sources.split(",") if part.strip()]})
    return found


def _from_file(flag: str, typed: str) -> list[dict[str, Any]]:
    """The services of a TOML file: a table for each, by its name. Relative paths begin at the file's folder."""
    file = Path(_file(flag, typed))
    try:
        tables = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Usage(f"{flag}: {file} cannot be read as TOML: {error}") from None
    if wrong := [name for name, table in tables.items() if not isinstance(table, dict)] or ([] if tables else ["nothing"]):
        raise Usage(f'{flag}: {file} has to hold a table [NAME] with logs = ["…"] for each service; it has {wrong[0]}')
    for table in tables.values():
        for key in ("logs", "config"):
            if isinstance(table.get(key), list):
                table[key] = [_whole(flag, str(part), file.parent) for part in table[key]]
        if isinstance(table.get("repository"), str):
            table["repository"] = repository(flag, table["repository"])
    return [{"name": name, **table} for name, table in tables.items()]


def _whole(flag: str, source: str, folder: Path | None = None) -> str:
    """A log source with an absolute path. What is declared by name stays as it is."""
    source = source.strip()
    if source.startswith("logs:"):
        return source
    return str(path(flag, str(folder / source) if folder is not None and not source.startswith("~") else source))


PATHS: dict[str, Callable[[str, Any], Any]] = {"repository": repository, "folder": folder, "file": _file, "services": services}
"""How what somebody typed becomes the field's value, by what the field says that it is."""
