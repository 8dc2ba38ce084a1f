"""The environments that were made for checks: when each was last used, and removing those that nobody has used for long."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from secrets import token_hex

from activities.files.locks import Busy, locked
from activities.git.quota import size_of
from activities.git.trees import delete_folder
from activities.repositories.preparing import MARKER, lock_of, stem_of

WAIT = timedelta(minutes=1)
"""How long a check waits for whoever looks whether its environment is in use. Nobody holds that lock for long then."""

_DIGEST = 12


def used(environment: Path) -> None:
    """Note that a check is about to use it, so that nobody removes it meanwhile. Other people's folders are left alone."""
    if not (environment / MARKER).is_file():
        return
    # Whoever removes it asks under this lock: it is either seen as used, or was gone before the check began.
    with locked(lock_of(environment), WAIT, f"the environment {environment}"), suppress(OSError):
        os.utime(environment / MARKER)  # an environment of ours that lies elsewhere may be read-only: none of those is removed


class KeptEnvironments:
    """All environments below one folder. Workers that share it may clear it at the same time."""

    what = "environment"
    again = "`baton prepare` makes it again"

    def __init__(self, root: Path) -> None:
        self._root = root

    def unused(self, longer_than: timedelta) -> list[str]:
        """Folders of environments that no check has used for so long, and of those that were never finished."""
        return sorted(one.name for one in self._folders() if _is_unused(one, longer_than))

    def folders(self, repositories: Iterable[str]) -> set[str]:
        """The folders that may have been made for these paths or URLs: they are told apart by their last part alone."""
        stems = {stem_of(one) for one in repositories}
        return {one.name for one in self._folders() if one.name[: -_DIGEST - 1] in stems}

    def remove(self, folder: str, longer_than: timedelta) -> int | None:
        """Delete an unused environment. Returns its bytes, or None if it is in use after all."""
        directory = self._root / folder
        try:
            with locked(lock_of(directory), timedelta(0), f"the environment {directory}"):
                if not _is_unused(directory, longer_than):
                    return None
                size = size_of(directory)
                # Away under another name first: a check that names it now finds none, and not half of one.
                directory.rename(self._root / f".gone-{token_hex(8)}")
        except (Busy, FileNotFoundError):
            return None
        for left in self._root.glob(".gone-*"):  # and what a worker left that was killed while it deleted
            with suppress(FileNotFoundError):  # another worker deletes it as well
                delete_folder(left)
        return size

    def _folders(self) -> list[Path]:
        there = self._root.iterdir() if self._root.is_dir() else ()
        return [one for one in there if one.is_dir() and not one.is_symlink() and not one.name.startswith(".")]


def _is_unused(directory: Path, longer_than: timedelta) -> bool:
    marker = directory / MARKER
    last = (marker if marker.exists() else directory).stat().st_mtime
    return time.time() - last > longer_than.total_seconds()
