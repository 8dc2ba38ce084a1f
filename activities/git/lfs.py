"""Content that Git LFS keeps outside a repository: found by the digests of its pointers, verified, and put into checkouts."""

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import IO

from activities.files.atomic import write_durably
from activities.files.beneath import open_at
from activities.files.paths import PathRefused, make_parents, write_file
from activities.git.attributes import LFS, is_lfs_pointer
from activities.git.blobs import blobs
from activities.git.command import Git, readable
from activities.git.errors import GitProblem, PushRefused, RepositoryUnreachable
from activities.git.lfs_pointers import FORM, ODD, WRITTEN, Made, NotHere, Pointer, copied, nothing_made, opened
from activities.git.lfs_server import NoServer, download, upload
from activities.git.listing import entries
from activities.git.place import find
from activities.git.quota import size_of
from activities.git.rules import attributes_in
from activities.git.source import Address
from activities.running.disk import refuse

LIMIT = 1024**3
"""Most bytes of such content in one checkout. Files that come after it, in the order of their paths, stay pointers."""

_POINTER_LIMIT = 1024
_TOLD = 300


@dataclass(frozen=True)
class Content:
    """The files of a tree that are pointers, by path: those whose content is here, and why that of the others is not."""

    here: Mapping[str, Pointer]
    absent: Mapping[str, str]


class Store:
    """The content of one mirror's pointers, kept beside its objects and counted with them.

    It was written by a run, or comes from the repository itself: from its own folder on this machine, or, by git-lfs, from the
    server that belongs to its address. What a repository's files and configuration say about servers and programs is not read.
    Safe to use from several processes at once.
    """

    def __init__(self, git: Git, address: Address, limit: int, made: Made = nothing_made) -> None:
        """`limit` is the largest size of the mirror in bytes, this content included; `made` has what runs have written."""
        self._git = git
        self._address = address
        self._limit = limit
        self._made = made
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
                        sound = copied(kept, file, pointer)
                if not sound:
                    self._file(pointer).unlink(missing_ok=True)
                    raise GitProblem(f"the kept content of {path!r} was damaged on this disk; the next attempt fetches it anew")
        finally:
            os.close(top)

    def closed(self) -> str:
        """Why nothing can be written that the repository keeps in this way; "" where it can."""
        if shutil.which("git-lfs") is None:
            return "git-lfs is not installed on the worker"
        if self._address.transport == "git":
            return "a git:// address has no LFS server"
        return ""

    def read(self, pointer: bytes, largest: int) -> bytes:
        """The content that a pointer in a workspace stands for, fetched if need be. Raises `NotHere`, also for more bytes."""
        form = FORM.fullmatch(pointer)
        if form is None:
            raise NotHere(ODD)
        one = Pointer(form[1].decode(), int(form[2]), self._git.line("hash-object", "--stdin", feed=pointer))
        if one.size > largest:
            raise NotHere(f"it has {one.size} bytes, and at most {largest} are read")
        why = self._missing([one], again=False) if not self._file(one).exists() else {}
        if why:
            raise NotHere(why[one.digest])
        return self.kept(one)

    def kept(self, one: Pointer) -> bytes:
        """The content that is here. Raises `NotHere` if this disk has damaged it."""
        data = self._file(one).read_bytes()
        if sha256(data).hexdigest() != one.digest:
            self._file(one).unlink(missing_ok=True)
            raise NotHere("the kept content was damaged on this disk; it is fetched anew the next time")
        return data

    def write(self, data: bytes) -> bytes:
        """Keep new content, and return the pointer that git stores in its place. Safe to call twice."""
        if not data:
            return b""  # as git-lfs does it
        digest = sha256(data).hexdigest()
        self._put(Pointer(digest, len(data), ""), data)
        return b"version https://git-lfs.github.com/spec/v1\noid sha256:%b\nsize %d\n" % (digest.encode(), len(data))

    def written(self, base: str, tree: str) -> dict[str, Pointer]:
        """By path the pointers that a tree has and its base has not, and whose content is here. `upload` brings that along."""
        new, _ = self._pointers(tree)
        old = {one.digest for one in self._pointers(base)[0].values()} if new else set[str]()
        fresh = {path: one for path, one in new.items() if one.digest not in old and one.size <= WRITTEN}
        return {path: one for path, one in fresh.items() if self._file(one).exists() or self._make(one)}

    def upload(self, base: str, tree: str) -> None:
        """Give the repository the content that `written` names. Nothing is pushed. Safe to call twice.

        Raises `PushRefused` with the words of git-lfs, or of whoever else did not take it.
        """
        files = {one.digest: self._file(one) for one in self.written(base, tree).values()}
        if not files:
            return
        try:
            if self._address.path is not None:
                said = self._handed_over(files, find(self._address.path, self._git).common)
            else:
                said = upload(self._git, self._address, files)
        except NoServer as error:
            said = str(error)
        if said:
            raise PushRefused(f"{self._address.shown} did not take the content of Git LFS: {said[-_TOLD:]}")

    def _handed_over(self, files: Mapping[str, Path], common: Path) -> str:
        """Put the content among the objects of a repository on this machine, as git-lfs does; why not, "" if it is there."""
        for digest, file in files.items():
            name = f"lfs/objects/{digest[:2]}/{digest[2:4]}/{digest}"
            try:
                make_parents(common, name)
                write_file(common, name, file.read_bytes(), 0o444)
            except PathRefused as error:
                return f"{common}: {error}"
            except OSError as error:
                refuse(error)
                return f"{common / name} cannot be written: {error.strerror}"
        return ""

    def _make(self, one: Pointer) -> bool:
        """Bring here what a run has written on another machine; False if none has."""
        data = self._made(one.digest)
        if data is None or sha256(data).hexdigest() != one.digest or len(data) != one.size:
            return False
        self._put(one, data)
        return True

    def _put(self, one: Pointer, data: bytes) -> None:
        self._folder.mkdir(exist_ok=True)
        write_durably(self._file(one), data)

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
            form = FORM.fullmatch(data)
            if form is None:
                odd[path] = ODD
            else:
                found[path] = Pointer(form[1].decode(), int(form[2]), blob)
        return found, odd

    def _missing(self, wanted: Sequence[Pointer], *, again: bool) -> dict[str, str]:
        """Fetch, and return why by digest for what is still not here."""
        wanted = [one for one in wanted if not self._make(one)]
        if not wanted:
            return {}
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
        file = opened(objects.parent.parent, path)
        if file is None:
            return None
        with file:
            return self._kept(one, file)

    def _kept(self, one: Pointer, file: IO[bytes]) -> bool:
        """Keep the content; False if it is not what the pointer stands for."""
        temporary = self._folder / f"new-{token_hex(8)}"
        try:
            with temporary.open("xb") as made:
                sound = copied(file, made, one)
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
