"""Where mirrors lie, how one is made, and how what killed workers left in them is removed."""

import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from activities.git import source
from activities.git.command import REMOTE, Git, check_version
from activities.git.mirror import LOCK_WAIT, Mirror
from activities.locks import locked

ATTRIBUTES = "* -text !eol !crlf -ident !filter !working-tree-encoding !diff !merge !whitespace\n"
"""Taken before any .gitattributes: files come and go byte for byte, and no driver that a repository names is used."""


class Mirrors:
    """All mirrors of one worker, one folder each. `operator` holds the variables a fetch or push may need (`PASSED_ON`)."""

    def __init__(self, root: Path, operator: Mapping[str, str] | None = None) -> None:
        self._root = root
        self._operator = dict(operator or {})

    def open(self, repository: str) -> Mirror:
        """The mirror of a path or URL; made empty when it is new. The same repository gives the same mirror.

        Raises `Refused` for an address that git must not see, `RepositoryUnreachable` for a path without a repository.
        """
        check_version()
        address = source.parse(repository)
        git = Git(self._root / address.folder, self._operator)
        if not (git.directory / "ready").exists():
            with locked(self._root / f"{address.folder}.lock", LOCK_WAIT, f"the mirror of {address.shown}"):
                self._make(git, address)
        _tidy(git.directory)
        return Mirror(git, address)

    def _make(self, git: Git, address: source.Address) -> None:
        if (git.directory / "ready").exists():
            return
        git.directory.mkdir(parents=True, exist_ok=True)
        kind = source.object_format(address, git)
        git.run("init", "--bare", "--quiet", "--template=", f"--object-format={kind}", "--initial-branch=none")
        (git.directory / "info").mkdir(exist_ok=True)
        (git.directory / "info" / "attributes").write_text(ATTRIBUTES)
        (git.directory / "ready").touch()  # last: a mirror without it is made again


def _tidy(directory: Path) -> None:
    """Remove what killed workers left: nothing here lives longer than the longest command."""
    oldest = time.time() - 2 * REMOTE.total_seconds()
    for left in (*directory.glob("index-*"), *directory.glob("stand-in-*")):
        with suppress(OSError):
            if left.lstat().st_mtime < oldest:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
