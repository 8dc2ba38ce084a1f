"""What somebody has not committed yet: a run starts from commits, so it is told and not taken along."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from activities.git.command import Git

_HARMLESS = ("core.autocrlf", "core.eol", "core.filemode", "core.symlinks")
"""Settings of theirs that say how files lie in the folder, and start nothing."""

_VALUE = re.compile(r"[a-z]{0,10}", re.IGNORECASE)


@dataclass(frozen=True)
class Uncommitted:
    """Files that differ from the newest commit, and files that git does not know and is not told to ignore."""

    changed: int
    new: int

    def told(self, repository: str) -> str:
        """A sentence about it; "" for nothing."""
        if not str(self):
            return ""
        are, them = ("is", "it") if self.changed + self.new == 1 else ("are", "them")
        return f"{self} in {repository} {are} not committed, and the run does not see {them}"

    def __str__(self) -> str:
        """What there is, in words; "" for nothing."""
        parts = [f"{count} {what}" for count, what in ((self.changed, "changed"), (self.new, "new")) if count]
        return f"{' and '.join(parts)} file{'' if self.changed + self.new == 1 else 's'}" if parts else ""


def look(git: Git, own: Path, common: Path, folder: Path, theirs: Mapping[str, str]) -> Uncommitted:
    """Compare the folder with the newest commit. `git` is on a stand-in; `own` has their index, `common` what they ignore."""
    index = git.directory / "index"
    # No link: it could lead to any file of this machine.
    if (own / "index").is_file() and not (own / "index").is_symlink():
        # A copy, with what it knows of sizes and times: only files that were touched are read. With its own time, too: git
        # reads a file that changed in the second in which the index was written, where size and time show nothing.
        shutil.copy2(own / "index", index)
        for shared in own.glob("sharedindex.*"):
            shutil.copy2(shared, git.directory / shared.name)
    exclude = common / "info" / "exclude"
    if exclude.is_file() and not exclude.is_symlink():
        (git.directory / "info").mkdir()
        shutil.copyfile(exclude, git.directory / "info" / "exclude")
    # Plain words only: others can write these values, and they go on git's command line.
    said = [f"{name}={theirs[name]}" for name in _HARMLESS if _VALUE.fullmatch(theirs.get(name, "-"))]
    settings = [part for one in said for part in ("-c", one)]
    # New files one by one, not by folder; no submodules, inside which git would obey their own configuration.
    options = ("--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=all")
    # Code 128: a folder that lost its index or its commits. Then there is nothing to compare with.
    done = git.run(*settings, "status", *options, index=index, work_tree=folder, codes=(0, 128))
    entries = [entry[:2] for entry in done.output.split(b"\0") if entry[2:3] == b" "]
    new = sum(entry == b"??" for entry in entries)
    return Uncommitted(len(entries) - new, new)
