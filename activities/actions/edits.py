"""The activity that says how a configuration file would look with a proposed change, and with which action it is written."""

import asyncio
import difflib
import json
import os
import posixpath
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection
from temporalio import activity

from activities.actions.declared import Targets
from activities.files.beneath import PathRefused
from activities.files.paths import folder_of, read_file
from activities.files.setting_formats import NotClear
from activities.files.settings import changed, readable
from activities.running.commit import commit_riders
from activities.running.heartbeat import beating
from activities.tools.diffs import parse
from activities.tools.hunks import PatchProblem, apply_hunks
from contracts.base import sha256
from contracts.diagnosis_edits import PreparedEdit, PrepareEdit
from contracts.diagnosis_input import Service
from contracts.diagnosis_parts import ProposedChange
from contracts.effects.targets import FolderTarget
from contracts.errors import Refused
from contracts.exact import exact
from contracts.text import one_line
from ledger import artifacts
from ledger.db import Ledger

LARGEST = 256 * 1024
"""Most bytes of a configuration file: as many as a diagnosis reads of one."""

SHOWN_LINES, SHOWN_LINE, SHOWN = 60, 1500, 12_000
"""Lines of a change that a gate has room for, characters of one line, and of all. A longer one is no small correction."""


@dataclass(frozen=True)
class _Edited:
    target: str
    path: str
    before: bytes
    after: bytes
    diff: tuple[str, ...]


class Edits:
    """The activity `prepare_edit`. It reads the file, keeps both texts, and writes nothing outside the ledger."""

    def __init__(self, ledger: Ledger, targets: Targets) -> None:
        """`targets` are what the worker's settings declare: files are looked for beneath a folder of theirs alone."""
        self._ledger = ledger
        self._targets = targets

    @activity.defn
    async def prepare_edit(self, request: PrepareEdit) -> PreparedEdit:
        """Return the arguments of a `file.write` that makes a proposed change in the file as it is now, with its difference.

        `why` says what keeps it from being made: a file that was not declared or may not be written, a setting that is not
        clear. Called again it reads the file again.
        """
        async with beating():
            try:
                edited = await asyncio.to_thread(self._edited, request)
            except (NotClear, PathRefused, Refused) as error:
                return await self._ledger.tx(_only, request, PreparedEdit(why=one_line(str(error), 600)))
            if edited.before == edited.after:
                return await self._ledger.tx(_only, request, PreparedEdit(done=True))
            return await self._ledger.tx(self._keep, request, edited)

    def _edited(self, request: PrepareEdit) -> _Edited:
        service, change = request.service, request.proposed
        target, folder, path = self._place(request, _meant(service, change))
        try:
            before = read_file(folder, path, LARGEST)
            _may_be_written(folder, path)
        except OSError as error:
            raise NotClear(f"{path} cannot be read: {error.strerror}") from None
        try:
            text = before.decode()
            if change.kind == "setting":
                after = changed(path, text, change.name, change.value).text
            else:
                after = _patched(path, change, before)
        except UnicodeDecodeError:
            raise NotClear(f"{path} is not UTF-8") from None
        return _Edited(target, path, before, after.encode(), _difference(path, text, after))

    def _place(self, request: PrepareEdit, path: str) -> tuple[str, Path, str]:
        """The target that a file lies beneath, its folder, and the path from there.

        The file's own folder may be reached by a link; the file is none, and neither is anything beneath the target's folder.
        """
        whole = Path(path).parent.resolve() / posixpath.basename(path)
        for name in request.targets:
            folder = self._targets.get(name, FolderTarget).path.resolve()
            if whole.is_relative_to(folder):
                return name, folder, str(whole.relative_to(folder))
        named = ", ".join(f"[targets.{name}]" for name in request.targets)
        raise NotClear(f"{path} does not lie beneath the folder of {named}")

    def _keep(self, connection: Connection, request: PrepareEdit, edited: _Edited) -> PreparedEdit:
        run = request.run
        # What stood there before as well: with its bytes the action can be taken back.
        for data, what in ((edited.before, "before"), (edited.after, "after")):
            kept = artifacts.put(connection, self._ledger.files, data)
            name = f"{edited.path} {what} the change"
            artifacts.note_seen(connection, run.trace, run.path, kept.digest, name, untrusted=True, sources=("log",))
        wanted = {
            "target": edited.target,
            "path": edited.path,
            "artifact": sha256(edited.after),
            "replaces": sha256(edited.before),
        }
        return _only(connection, request, PreparedEdit(arguments=json.dumps(wanted), diff=edited.diff))


def _only(connection: Connection, request: PrepareEdit, made: PreparedEdit) -> PreparedEdit:
    commit_riders(connection, request, [])
    return made


def _meant(service: Service, change: ProposedChange) -> str:
    """The declared configuration file that a change is about. Raises `NotClear` where it is none, or may be several."""
    said = change.name if change.kind == "file" else change.file
    if not said:
        if len(service.config) == 1:
            return service.config[0]
        raise NotClear("the change does not say in which configuration file the setting stands")
    # Copies of the same name are numbered.
    asked = re.sub(r" \(\d+\)$", "", said)
    found = [one for one in service.config if one.lstrip("/") == asked.lstrip("/")]
    found = found or [one for one in service.config if posixpath.basename(one) == asked]
    if len(found) != 1:
        which = "none" if not found else "more than one"
        raise NotClear(f"{one_line(said, 200)} is {which} of the configuration files that are declared for {service.name}")
    return found[0]


def _patched(path: str, change: ProposedChange, before: bytes) -> str:
    """The text with a change that is given as a unified diff. Raises `NotClear` where it does not apply exactly."""
    if not change.value:
        raise NotClear("it says in words what is to be done, and not which lines become which")
    try:
        patches = parse(change.value)
        if len(patches) != 1 or patches[0].kind != "modify" or posixpath.basename(patches[0].path) != posixpath.basename(path):
            raise NotClear(f"its diff is not one of {path} alone")
        after = apply_hunks(patches[0], before).decode()
    except PatchProblem as error:
        raise NotClear(str(error)) from None
    readable(path, after)
    return after


def _may_be_written(folder: Path, path: str) -> None:
    with folder_of(folder, path) as (parent, name):
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        # By its bits as well: to root every file seems writable.
        if not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(name, os.W_OK, dir_fd=parent):
            raise NotClear(f"{path} is read-only")
        if not os.access(".", os.W_OK, dir_fd=parent):
            raise NotClear(f"the folder of {path} is read-only")


def _difference(path: str, before: str, after: str) -> tuple[str, ...]:
    """What changes, a line each. Raises `NotClear` where a gate could not show all of it."""
    sides = before.split("\n"), after.split("\n")
    lines = tuple(f"| {exact(line.encode())}" for line in difflib.unified_diff(*sides, path, path, lineterm="", n=2))
    if len(lines) > SHOWN_LINES or sum(map(len, lines)) > SHOWN or any(len(one) > SHOWN_LINE for one in lines):
        raise NotClear("the change is longer than a gate can show; a person makes it")
    return lines
