"""Content that Git LFS keeps outside a repository: found by the digests of its pointers, verified, and put into checkouts."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import IO

from activities.files.beneath import open_at
from activities.files.paths import PathRefused, open_beneath
from activities.git.attributes import LFS, is_lfs_pointer
from activities.git.blobs import blobs
from activities.git.command import Git, readable
from activities.git.errors import GitProblem, RepositoryUnreachable
from activities.git.lfs_server import NoServer, download
from activities.git.listing import entries
from activities.git.place import find
from activities.git.quota import size_of
from activities.git.rules import attributes_in
from activities.git.source import Address

LIMIT = 1024**3
"""Most bytes of such content in one checkout. Files that come after it, in the order of their paths, stay pointers."""

_FORM = re.compile(rb"[^\n]+\noid sha256:([0-9a-f]{64})\nsize (0|[1-9][0-9]{0,15})\n")
_POINTER_LIMIT = 1024
_CHUNK = 1024 * 1024
_TOLD = 300


@dataclass(frozen=True)
class Pointer:
    """What stands in a repository in place of a file. `blob` is git's id of the pointer itself."""

    digest: str
    size: int
    blob: str


@dataclass(frozen=True)
class Content:
    """The files of a tree that are pointers, by path: those whose content is here, and why that of the others is not."""

    here: Mapping[str, Pointer]
    absent: Mapping[str, str]


class Store:
    """The content of one mirror's pointers, kept beside its objects and counted with them.

    It comes from the repository itself: from its own folder on this machine, or, by git-lfs, from the server that belongs to
    its address. What a repository's files and configuration say about servers and programs is not read. Safe to use from
    several processes at once.
    """

    def __init__(self, git: Git, address: Address, limit: int) -> None:
        """`limit` is the largest size of the mirror in bytes, this content included."""
        self._git = git
        self._address = address
        self._limit = limit
        self._folder = git.directory / "lfs-content"

    def bring(self, tree: str, *, again: bool = False) -> Content:
        """Fetch what is missing of the tree's content. Never fails for want of it: `absent` says why it is not here.

        A server is asked once for each file, and anew only with `again`: so all checks of a run see the same.
        """
        fitting, absent = _bounded(*self._pointers(tree))
        missing = {one.digest: one for one in fitting.values() if not self._file(one).exists()}
        why = self._missing(list(missing.values()), again=again) if missing else {}
        absent |= {path: why[one.digest] for path, one in fitting.items() if one.digest in why}
        return Content({path: one for path, one in fitting.items() if one.digest not in why}, absent)

    def fill(self, tree: str, folder: Path) -> None:
        """Put the content in place of the pointers in a fresh checkout of the tree, as far as it is to be had."""
        here = self.bring(tree).here
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for path, pointer in here.items():
                # A copy and no link: a check may write to its files.
                with self._file(pointer).open("rb") as kept:
                    descriptor = open_at(top, path, os.O_WRONLY | os.O_TRUNC, 0)
                    with os.fdopen(descriptor, "wb") as file:
                        sound = _copied(kept, file, pointer)
                if not sound:
                    self._file(pointer).unlink(missing_ok=True)
                    raise GitProblem(f"the kept content of {path!r} was damaged on this disk; the next attempt fetches it anew")
        finally:
            os.close(top)

    def _pointers(self, tree: str) -> tuple[dict[str, Pointer], dict[str, str]]:
        """The pointers by path, in order; and files whose pointer is of a form that is not read."""
        paths = {path for path, of in attributes_in(self._git, tree, None).items() if of.filter == LFS}
        if not paths:
            return {}, {}
        listed = [one for one in entries(self._git, tree) if one.mode in ("100644", "100755")]
        files = {os.fsdecode(one.path): one.object_id for one in listed if os.fsdecode(one.path) in paths}
        ids = list(dict.fromkeys(files.values()))
        read = {blob: data for blob, _, data in blobs(self._git, ids, _POINTER_LIMIT, _POINTER_LIMIT * len(ids))}
        found, odd = dict[str, Pointer](), dict[str, str]()
        for path, blob in sorted(files.items()):
            data = read[blob]
            if data is None or not is_lfs_pointer(data):
                continue  # the content itself is in the repository
            form = _FORM.fullmatch(data)
            if form is None:
                odd[path] = "its pointer has more or other lines than oid (sha256) and size, which are all that is understood"
            else:
                found[path] = Pointer(form[1].decode(), int(form[2]), blob)
        return found, odd

    def _missing(self, wanted: Sequence[Pointer], *, again: bool) -> dict[str, str]:
        """Fetch, and return why by digest for what is still not here."""
        if sum(one.size for one in wanted) > self._limit - size_of(self._git.directory):
            why = (
                f"it would make the copy of the repository larger than {self._limit >> 20} MiB; raise `mirror_mib` "
                "(BATON_MIRROR_MIB) for the worker"
            )
            return {one.digest: why for one in wanted}
        self._folder.mkdir(exist_ok=True)
        if self._address.path is not None:
            return self._from_folder(wanted, self._address.path)
        return self._from_server(wanted, again=again)

    def _from_folder(self, wanted: Sequence[Pointer], path: Path) -> dict[str, str]:
        try:
            common = find(path, self._git).common
        except RepositoryUnreachable as error:  # it has gone since, which is no reason to stop: our copy is here
            return {one.digest: str(error) for one in wanted}
        absent = {}
        for one in wanted:
            found = self._take(one, common / "lfs" / "objects")
            if found is None:
                absent[one.digest] = f"it is not among the LFS objects of {self._address.shown}; run `git lfs fetch` there"
            elif not found:
                absent[one.digest] = f"{self._address.shown} has other bytes under its digest; run `git lfs fsck` there"
        return absent

    def _from_server(self, wanted: Sequence[Pointer], *, again: bool) -> dict[str, str]:
        absent = {} if again else {one.digest: said for one in wanted if (said := self._refused(one))}
        asked = [one for one in wanted if one.digest not in absent]
        if not asked:
            return absent
        blobs_of, largest = {one.digest: one.blob for one in asked}, max(one.size for one in asked)
        try:
            with download(self._git, self._address, blobs_of, largest) as (objects, said):
                for one in asked:
                    self._take(one, objects)
        except NoServer as error:
            return absent | {one.digest: str(error) for one in asked}
        for one in asked:
            if self._file(one).exists():
                self._mark(one).unlink(missing_ok=True)
            else:
                words = readable(said.encode())[-_TOLD:] or "git-lfs did not bring it and gave no reason"
                absent[one.digest] = f"{self._address.shown} did not give it: {words}"
                self._mark(one).write_text(absent[one.digest], encoding="utf-8")
        return absent

    def _refused(self, one: Pointer) -> str:
        """Why a server did not give it when it was asked; "" where none was asked."""
        with suppress(FileNotFoundError):
            return self._mark(one).read_text(encoding="utf-8")
        return ""

    def _take(self, one: Pointer, objects: Path) -> bool | None:
        """Keep the content that a folder of LFS objects has; False if it has other bytes, None if it has none."""
        # From above the folder, which must be no link itself.
        path = f"{objects.parent.name}/{objects.name}/{one.digest[:2]}/{one.digest[2:4]}/{one.digest}"
        file = _opened(objects.parent.parent, path)
        if file is None:
            return None
        with file:
            return self._kept(one, file)

    def _kept(self, one: Pointer, file: IO[bytes]) -> bool:
        """Keep the content; False if it is not what the pointer stands for."""
        temporary = self._folder / f"new-{token_hex(8)}"
        try:
            with temporary.open("xb") as made:
                sound = _copied(file, made, one)
            if sound:
                temporary.replace(self._file(one))
        finally:
            temporary.unlink(missing_ok=True)
        return sound

    def _file(self, one: Pointer) -> Path:
        return self._folder / one.digest

    def _mark(self, one: Pointer) -> Path:
        return self._folder / f"{one.digest}.absent"


def _bounded(found: Mapping[str, Pointer], absent: dict[str, str]) -> tuple[dict[str, Pointer], dict[str, str]]:
    fitting, left = dict[str, Pointer](), LIMIT
    for path, one in found.items():
        if one.size <= left:
            fitting[path] = one
            left -= one.size
        else:
            absent = absent | {path: f"it has {one.size} bytes, and all such content of a checkout may have {LIMIT >> 20} MiB"}
    return fitting, absent


def _opened(top: Path, path: str) -> IO[bytes] | None:
    """A plain file beneath the folder; None where there is none, or only one that links lead to."""
    try:
        descriptor = open_beneath(top, path, os.O_RDONLY)
    except (OSError, PathRefused):
        return None
    try:
        return os.fdopen(descriptor, "rb")
    except OSError:  # a folder
        os.close(descriptor)
        return None


def _copied(source: IO[bytes], target: IO[bytes], wanted: Pointer) -> bool:
    """Copy no more than the pointer's size; True if the bytes are those that it stands for."""
    digest, left = sha256(), wanted.size
    while left and (data := source.read(min(_CHUNK, left))):
        digest.update(data)
        target.write(data)
        left -= len(data)
    return not left and not source.read(1) and digest.hexdigest() == wanted.digest
