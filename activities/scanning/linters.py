"""Runs ruff and bandit on copies of files, by our settings alone. Neither imports nor runs what it reads.

Each is a process of its own with limits: a file that ends one of them ends no worker. The files lie under names of ours in
a new folder, so that no configuration of the repository is found, and comments that would silence a rule are not obeyed.
"""

import asyncio
import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from activities.scanning.rules import BUGS, COMPLEX, HOLES, NOT_ASKED

SECONDS, MEMORY_KIB, FILE_BLOCKS = 300, 4 << 20, 200_000
"""Limits of one process: seconds of processor time, and as many of wall time again; memory; 512-byte blocks of its report."""

ALONE = 40
"""Most files that are tried one by one after a linter failed on all of them together."""

_LIMITED = ("/bin/sh", "-ec", f'ulimit -t {SECONDS}; ulimit -v {MEMORY_KIB}; ulimit -f {FILE_BLOCKS}; exec "$@"', "sh")
_PYTHON = (sys.executable, "-I", "-m")
SYNTAX = "invalid-syntax"


@dataclass(frozen=True)
class Edit:
    """A part of a file to be replaced: lines and columns from 1, the end not included."""

    start: tuple[int, int]
    end: tuple[int, int]
    content: str


@dataclass(frozen=True)
class Hit:
    """What a linter says about a place. `weight` is bandit's own words for severity and confidence; "" from ruff."""

    tool: str
    rule: str
    file: str
    line: int
    end: int
    message: str
    url: str = ""
    weight: tuple[str, str] = ("", "")
    mending: str = ""
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class Linted:
    """All hits, and which files a linter could not read, with its reason."""

    hits: tuple[Hit, ...]
    unread: Mapping[str, str]


async def lint(files: Mapping[str, str]) -> Linted:
    """What both linters say about these Python files, by their names. The same files give the same hits."""
    if not files:
        return Linted((), {})
    with tempfile.TemporaryDirectory(prefix="baton-lint-") as place:
        folder = Path(place)
        names = await asyncio.to_thread(_lay_out, folder / "files", files)
        ruff, bandit = await asyncio.gather(_ruff(folder, names), _bandit(folder, names))
    unread = {**bandit.unread, **ruff.unread}
    hits = sorted(
        (_for_git(hit, files[hit.file]) for hit in (*ruff.hits, *bandit.hits)),
        key=lambda one: (one.file, one.line, one.rule, one.tool, one.message),
    )
    return Linted(tuple(hits), unread)


def _for_git(hit: Hit, text: str) -> Hit:
    """The hit at git's number of its line: a lone carriage return ends a line for Python, and none for git."""
    if "\r" not in text.replace("\r\n", "\n"):
        return hit
    lines = text.replace("\r\n", "\n").split("\n")
    rows = [number for number, line in enumerate(lines, 1) for _ in range(line.count("\r") + 1)]
    return replace(hit, line=rows[min(hit.line, len(rows)) - 1], end=rows[min(hit.end, len(rows)) - 1], edits=())


def _lay_out(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Write the files under names of ours; returns the given name of each. What a rule goes by stays: `__init__` and `.pyi`."""
    names = {}
    for number, (name, text) in enumerate(sorted(files.items())):
        path = PurePosixPath(name)
        stem = path.stem if path.stem in ("__init__", "__main__") else "module"
        copy = folder / f"f{number:05}" / f"{stem}{'.pyi' if path.suffix == '.pyi' else '.py'}"
        copy.parent.mkdir(parents=True)
        copy.write_bytes(text.encode(errors="replace"))
        names[f"{copy.parent.name}/{copy.name}"] = name
    return names


async def _ruff(folder: Path, names: Mapping[str, str]) -> Linted:
    selected = ",".join(sorted({*BUGS, *HOLES}))
    left_out = ",".join(sorted(f"S{number}" for number in NOT_ASKED - {"110", "112"} if number not in _NOT_IN_RUFF))
    options = ("check", "--isolated", "--no-cache", "--no-respect-gitignore", "--ignore-noqa", "--exit-zero", "--quiet")
    rules = ("--target-version", "py314", "--select", selected, "--ignore", left_out)
    more = ("--config", f"lint.mccabe.max-complexity={COMPLEX}", "--output-format", "json")

    def read(found: Any) -> Linted:
        hits = tuple(_of_ruff(one, names) for one in found if _relative(one["filename"]) in names)
        unread = {one.file: f"it is no Python that can be parsed: {one.message}" for one in hits if one.rule == SYNTAX}
        return Linted(hits, unread)

    def command(out: str, paths: Sequence[str]) -> Sequence[str]:
        return ("ruff", *options, *rules, *more, "--output-file", out, *paths)

    return await _each(folder, names, "ruff", command, read)


async def _bandit(folder: Path, names: Mapping[str, str]) -> Linted:
    def read(found: Any) -> Linted:
        hits = tuple(_of_bandit(one, names) for one in found["results"])
        unread = {names[_relative(one["filename"])]: f"bandit: {one['reason']}" for one in found["errors"]}
        return Linted(tuple(one for one in hits if one.rule[1:] not in NOT_ASKED), unread)

    options = ("bandit", "--quiet", "--ignore-nosec", "--exit-zero", "--format", "json", "--recursive")

    def command(out: str, paths: Sequence[str]) -> Sequence[str]:
        return (*options, "--output", out, *paths)

    return await _each(folder, names, "bandit", command, read)


async def _each(folder: Path, names: Mapping[str, str], tool: str, command: Any, read: Any) -> Linted:
    """One run over all files; if that fails, one for each, so that a file which ends the linter is told alone."""
    whole = await _report(folder, command(f"{folder}/{tool}.json", (f"{folder}/files",)), f"{tool}.json")
    if whole is not None:
        found: Linted = read(whole)
        return found
    hits: list[Hit] = []
    unread: dict[str, str] = {}
    for number, (copy, name) in enumerate(sorted(names.items())):
        out = f"{tool}-{number}.json"
        alone = await _report(folder, command(f"{folder}/{out}", (f"{folder}/files/{copy}",)), out) if number < ALONE else None
        if alone is None:
            unread[name] = f"{tool} does not come to an end on it"
        else:
            one = read(alone)
            hits, unread = [*hits, *one.hits], {**unread, **one.unread}
    return Linted(tuple(hits), unread)


async def _report(folder: Path, command: Sequence[str], out: str) -> Any:
    """What a linter reports; None if it failed or took too long."""
    process = await asyncio.create_subprocess_exec(
        *(*_LIMITED, *_PYTHON, *command),
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(2 * SECONDS):
            code = await process.wait()
    except TimeoutError:
        return None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    path = folder / out
    if code != 0 or not await asyncio.to_thread(path.is_file):
        return None
    try:
        return json.loads(await asyncio.to_thread(path.read_bytes))
    except (ValueError, RecursionError):
        return None


def _relative(path: str) -> str:
    return "/".join(PurePosixPath(path).parts[-2:])


def _of_ruff(one: Mapping[str, Any], names: Mapping[str, str]) -> Hit:
    fix = one.get("fix") or {}
    edits = fix.get("edits", ()) if fix.get("applicability") == "safe" else ()
    return Hit(
        tool="ruff",
        rule=one["code"] or SYNTAX,
        file=names[_relative(one["filename"])],
        line=one["location"]["row"],
        end=one["end_location"]["row"],
        message=one["message"],
        url=one.get("url") or "",
        mending=fix.get("message") or "",
        edits=tuple(Edit(_at(edit["location"]), _at(edit["end_location"]), edit["content"]) for edit in edits),
    )


def _at(place: Mapping[str, int]) -> tuple[int, int]:
    return place["row"], place["column"]


def _of_bandit(one: Mapping[str, Any], names: Mapping[str, str]) -> Hit:
    return Hit(
        tool="bandit",
        rule=one["test_id"],
        file=names[_relative(one["filename"])],
        line=one["line_number"],
        end=max(one.get("line_range") or [one["line_number"]]),
        message=one["issue_text"],
        url=one.get("more_info") or "",
        weight=(one["issue_severity"].lower(), one["issue_confidence"].lower()),
    )


@functools.cache
def reasons() -> Mapping[str, str]:
    """Why each of ruff's rules is there, as ruff itself says: the first paragraph of that part of its documentation."""
    command = (*_PYTHON, "ruff", "rule", "--all", "--output-format", "json")
    told = subprocess.run(command, capture_output=True, check=True, timeout=SECONDS)
    return {one["code"]: _why(one["explanation"] or "") for one in json.loads(told.stdout) if one["code"]}


def _why(explanation: str) -> str:
    _, _, rest = explanation.partition("## Why is this bad?")
    paragraphs: Iterable[str] = (part.strip() for part in rest.split("\n\n"))
    return " ".join(next((part for part in paragraphs if part), "").split())


_NOT_IN_RUFF = frozenset({"403", "404", "405", "406", "407", "408", "409", "410", "411"})
"""Numbers that ruff has in its preview alone, or no longer."""
