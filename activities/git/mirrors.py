"""Where mirrors are kept, how one is made, and how leftovers of killed workers are removed."""

import shutil
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from secrets import token_hex

from activities.files.atomic import write_durably
from activities.files.locks import Busy, locked
from activities.git import source
from activities.git.command import REMOTE, Git, check_version
from activities.git.errors import NoRepository
from activities.git.lfs_pointers import Made, nothing_made
from activities.git.mirror import LOCK_WAIT, Mirror
from activities.git.quota import size_of

ATTRIBUTES = "* -text !eol !crlf -ident !filter !working-tree-encoding !diff !merge !whitespace !conflict-marker-size !delta\n"
"""Takes precedence over any .gitattributes: files stay byte for byte, and no driver that a repository names is used."""

LIMIT = 4 * 1024**3
"""Most bytes of one mirror unless a setting says otherwise."""


class Mirrors:
    """All mirrors of one worker, one folder each. `operator` holds the variables a fetch or push may need (`PASSED_ON`)."""

    what = "mirror"
    again = "a run that wants it fetches it again"

    def __init__(
        self, root: Path, operator: Mapping[str, str] | None = None, limit: int = LIMIT, made: Made = nothing_made
    ) -> None:
        """`limit` is the largest size of one mirror in bytes; `made` has the content of Git LFS that runs have written."""
        self._root = root
        self._operator = dict(operator or {})
        self._limit = limit
        self._made = made

    def open(self, repository: str) -> Mirror:
        """The mirror of a path or URL; a new one is made empty. The same repository gives the same mirror.

        Raises `Refused` for an address that git must not see, `RepositoryUnreachable` for a path without a repository.
        """
        check_version()
        address = source.parse(repository)
        git = Git(self._root / address.folder, self._operator)
        if not (git.directory / "ready").exists():
            # The lock lies beside the folder and not in it: the folder may not exist yet.
            with locked(self._root / f"{address.folder}.lock", LOCK_WAIT, f"the mirror of {address.shown}"):
                self._make(git, address)
        (git.directory / "ready").touch()  # `baton doctor` lists mirrors that have not been used for long
        _set_attributes(git.directory)
        _tidy(git.directory)
        return Mirror(git, address, self._limit, self._made)

    def _make(self, git: Git, address: source.Address) -> None:
        if (git.directory / "ready").exists():
            return
        git.directory.mkdir(parents=True, exist_ok=True)
        kind = source.object_format(address, git)
        git.run("init", "--bare", "--quiet", "--template=", f"--object-format={kind}", "--initial-branch=none")
        _set_attributes(git.directory)
        (git.directory / "ready").touch()  # last: a mirror without this file is made anew

    def unused(self, longer_than: timedelta) -> list[str]:
        """Folders of mirrors that nobody has opened for so long."""
        return sorted(one.name for one in self._root.glob("*.git") if _is_unused(one, longer_than))

    def folders(self, repositories: Iterable[str]) -> set[str]:
        """The folders that mirrors of these paths or URLs have; what is no address has none."""
        found = set()
        for repository in repositories:
            with suppress(NoRepository):
                found.add(source.parse(repository).folder)
        return found

    def remove(self, folder: str, longer_than: timedelta) -> int | None:
        """Delete an unused mirror; it is fetched again when wanted. Returns its bytes, or None if it is in use after all."""
        directory = self._root / folder
        try:
            with locked(self._root / f"{folder}.lock", timedelta(0), f"the mirror {folder}"):
                if not _is_unused(directory, longer_than):
                    return None
                size = size_of(directory)
                # Away under another name first: whoever opens it now finds none, and not half of one.
                directory.rename(directory.with_suffix(f".gone-{token_hex(8)}"))
        except (Busy, FileNotFoundError):
            return None
        for left in self._root.glob("*.gone-*"):  # and what a worker left that was killed while it deleted
            shutil.rmtree(left, ignore_errors=True)
        return size


def _is_unused(directory: Path, longer_than: timedelta) -> bool:
    ready = directory / "ready"
    used = (ready if ready.exists() else directory).stat().st_mtime
    return time.time() - used > longer_than.total_seconds()


def _set_attributes(directory: Path) -> None:
    """Write our attributes, also into a mirror that an earlier release made."""
    file = directory / "info" / "attributes"
    if not file.exists() or file.read_text() != ATTRIBUTES:
        write_durably(file, ATTRIBUTES.encode())


def _tidy(directory: Path) -> None:
    """Remove what killed workers left: no temporary file outlives the longest command."""
    oldest = time.time() - 2 * REMOTE.total_seconds()
    patterns = ("index-*", "stand-in-*", "objects/pack/tmp_*", "lfs-content/new-*")
    for left in (path for pattern in patterns for path in directory.glob(pattern)):
        with suppress(OSError):
            if left.lstat().st_mtime < oldest:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
