"""Applying a patch to a workspace: all of its files, or nothing."""

import asyncio
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from activities.files import paths
from activities.files.encoding import with_line_ends
from activities.files.paths import PathRefused
from activities.tools.access import CHANGING, FILE_LIMIT, PATH_SHOWN, Tree, equal, existing, problems_named
from activities.tools.base import WRITES, Content, Source, Tool, ToolContext, ToolOutcome, ToolProblem
from activities.tools.diffs import parse
from activities.tools.hunks import FilePatch, PatchProblem, apply_hunks, lines_of
from activities.tools.stored import Rules, Text, text_of
from contracts.base import Contract
from contracts.text import one_line, quoted

PATCH_LIMIT = 1_000_000
"""Most characters of a patch."""

PATCHED_FILES = 50
"""Most files that one patch may change."""

_PROBLEMS_SHOWN = 20


class ApplyPatch(Contract):
    """A unified diff."""

    patch: str = Field(
        max_length=PATCH_LIMIT,
        description="unified diff over one or more files: '--- a/PATH', '+++ b/PATH', hunks with context lines. "
        "'--- /dev/null' creates, '+++ /dev/null' deletes",
    )


class FilePatched(Contract):
    """What the patch did to one file."""

    path: str
    outcome: Literal["created", "modified", "deleted"]
    lines_added: int
    lines_removed: int
    note: str = Field(default="", description="line ends or encoding that stayed as they were, or were made so")


class PatchApplied(Contract):
    """What happened to every file that the patch names."""

    files: tuple[FilePatched, ...]


@dataclass(frozen=True)
class _Change:
    """One file before and after; None if it does not exist."""

    path: str
    before: bytes | None
    after: bytes | None
    mode: int | None
    note: str = ""
    sources: tuple[Source, ...] = ()


async def _apply_patch(context: ToolContext, asked: ApplyPatch) -> ToolOutcome:
    return await asyncio.to_thread(_patch, context, asked.patch)


def _patch(context: ToolContext, text: str) -> ToolOutcome:
    root = context.root()
    try:
        files = parse(text)
    except PatchProblem as error:
        raise ToolProblem(f"{error}; nothing was changed") from None
    if len(files) > PATCHED_FILES:
        raise ToolProblem(f"the patch changes {len(files)} files; at most {PATCHED_FILES} at a time; nothing was changed")
    with CHANGING:
        # All in memory first: a hunk that does not apply is found before any file is touched.
        changes = _changes(context, files)
        _write_all(root, changes)
    patched = tuple(_patched(one, change.note) for one, change in zip(files, changes, strict=True))
    return ToolOutcome(PatchApplied(files=patched), tuple(source for change in changes for source in change.sources))


def _changes(context: ToolContext, files: tuple[FilePatch, ...]) -> list[_Change]:
    """Every file's change, made in memory. Raises `ToolProblem` with everything that does not apply, in all files."""
    root = context.root()
    changes: list[_Change] = []
    problems: list[str] = []
    for one in files:
        try:
            with problems_named(Tree(root), one.path):
                changes.append(_change(root, one, context.lfs))
            # A second patch of one file would start from its content on disk, and undo the first.
            if changes[-1].path in {earlier.path for earlier in changes[:-1]}:
                raise PatchProblem(f"{one.path} is named twice; put all its hunks under one '---' and '+++'")
        except (ToolProblem, PatchProblem) as error:
            problems += [one_line(line, 700) for line in str(error).split("\n")]
    if problems:
        more = f"\nand {len(problems) - _PROBLEMS_SHOWN} more" if len(problems) > _PROBLEMS_SHOWN else ""
        raise ToolProblem("nothing was changed:\n" + "\n".join(problems[:_PROBLEMS_SHOWN]) + more)
    return changes


def _change(root: Path, patch: FilePatch, lfs: Content | None) -> _Change:
    path = paths.validate(patch.path)
    found = existing(root, path)
    if patch.kind == "create":
        return _created(root, path, patch, found, lfs)
    if found is None:
        raise FileNotFoundError
    data = paths.read_file(root, path, FILE_LIMIT)
    rules = Rules(root, path, lfs)
    if patch.kind != "delete":
        rules.refuse_filtered()
    before = text_of(path, rules.content(data), declared=rules.attributes.declared)
    after = _applied(patch, before)
    if patch.kind == "delete":
        if after:
            count = len(lines_of(after.encode(errors="surrogateescape")))
            left = "1 line of it is" if count == 1 else f"{count} lines of it are"
            raise PatchProblem(f"{path} cannot be deleted: {left} not in the patch; delete_file needs none")
        return _Change(path, data, None, stat.S_IMODE(found.st_mode))
    put = rules.put(rules.stored(after, before))
    return _Change(path, data, put.data, stat.S_IMODE(found.st_mode), put.note, put.sources)


def _created(root: Path, path: str, patch: FilePatch, found: os.stat_result | None, lfs: Content | None) -> _Change:
    rules = Rules(root, path, lfs)
    rules.refuse_filtered()
    made = rules.put(rules.stored(apply_hunks(patch, b"").decode(errors="surrogateescape"), None))
    if found is not None:
        same = found.st_size == len(made.data) and equal(root, path, made.data)
        same = same and bool(found.st_mode & stat.S_IXUSR) == patch.executable
        what = "already applied: it exists with this content" if same else "it already exists with other content or mode"
        raise PatchProblem(f"{path} cannot be created: {what}")
    return _Change(path, None, made.data, 0o755 if patch.executable else None, made.note, made.sources)


def _applied(patch: FilePatch, before: Text) -> str:
    """The text with the patch applied. Where the file has CRLF and the patch has none, its lines are taken to end in CRLF."""
    lines = [line for hunk in patch.hunks for line in (*hunk.old, *hunk.new)]
    if before.encoding.unknown and (odd := next((line for line in lines if not line.isascii()), None)) is not None:
        raise PatchProblem(
            f"{patch.path}: its encoding is unknown, so a patch can hold no line with other characters than ASCII, such as "
            f"{quoted(odd.decode(errors='replace').strip(), 80)}; edit_file changes what stands beside them, and convert_file "
            "with written_in says what it is"
        )
    text = before.text
    if before.end == "\r\n" and not any(line.endswith(b"\r\n") for line in lines):
        text = with_line_ends(text, "\n")
    codec = before.encoding.codec if before.encoding.unknown else "utf-8"
    made = apply_hunks(patch, text.encode(codec, "surrogateescape")).decode(codec, "surrogateescape")
    return made if text is before.text else with_line_ends(made, before.end)


def _write_all(root: Path, changes: list[_Change]) -> None:
    """Make all changes, or undo those that were made and raise `ToolProblem`."""
    done: list[_Change] = []
    for change in changes:
        try:
            with problems_named(Tree(root), change.path):
                _put(root, change.path, change.after, change.mode)
        except ToolProblem as error:
            kept = [one.path for one in reversed(done) if not _put_back(root, one)]
            state = f"these could not be restored: {', '.join(kept)}" if kept else "nothing was changed"
            raise ToolProblem(f"{error}; {state}") from None
        done.append(change)


def _put(root: Path, path: str, data: bytes | None, mode: int | None) -> None:
    if data is None:
        paths.remove_file(root, path)
        return
    paths.make_parents(root, path)
    paths.write_file(root, path, data, mode)


def _put_back(root: Path, change: _Change) -> bool:
    try:
        _put(root, change.path, change.before, change.mode)
    except (OSError, PathRefused):
        return False
    return True


def _patched(patch: FilePatch, note: str) -> FilePatched:
    outcome: dict[str, Literal["created", "modified", "deleted"]] = {
        "create": "created",
        "modify": "modified",
        "delete": "deleted",
    }
    return FilePatched(
        path=one_line(patch.path, PATH_SHOWN),
        outcome=outcome[patch.kind],
        lines_added=sum(len(hunk.new) - hunk.context for hunk in patch.hunks),
        lines_removed=sum(len(hunk.old) - hunk.context for hunk in patch.hunks),
        note=note,
    )


APPLY_PATCH = Tool(
    "apply_patch",
    "Apply a unified diff to the workspace: all of it, or nothing if one hunk does not fit exactly.",
    ApplyPatch,
    PatchApplied,
    _apply_patch,
    WRITES,
)
