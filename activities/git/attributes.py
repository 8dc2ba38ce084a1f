"""What a folder's `.gitattributes` say of a file: how its text is stored, and which filter it passes through."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from activities.git.command import Git

_NAMES = ("text", "eol", "filter", "working-tree-encoding", "encoding")
_NONE = frozenset({"", "unspecified", "unset", "set"})
"""Git's words for attributes without a value of their own."""

LFS = "lfs"
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:[a-z0-9.-]+ [^\n]*\n)+")
_POINTER_LIMIT = 1024


@dataclass(frozen=True)
class Attributes:
    """Of one file. `text`: line ends are stored as LF. `filter`, `encoding` (in the working tree) and `declared` (as which it
    is to be read, of files that git stores as they are) are "" for none.
    """

    text: bool = False
    filter: str = ""
    encoding: str = ""
    declared: str = ""


PLAIN = Attributes()


def attributes_of(folder: Path, paths: Sequence[str]) -> dict[str, Attributes]:
    """The attributes of these paths beneath the folder, whether they exist or not, as git itself reads them.

    Only `.gitattributes` files in the folder count, as they are now. No driver that they name is run.
    """
    asked = [path for path in paths if any(os.path.isfile(folder / above / ".gitattributes") for above in _above(path))]
    found = dict.fromkeys(paths, PLAIN)
    if not asked:
        return found  # as in most repositories: no process is started
    with tempfile.TemporaryDirectory(prefix="baton-attributes-") as made:
        _stand_in(Path(made))
        fed = b"".join(os.fsencode(path) + b"\0" for path in asked)
        said = Git(Path(made)).run("check-attr", "-z", "--stdin", *_NAMES, feed=fed, work_tree=folder).output.split(b"\0")
    values: dict[str, dict[str, str]] = {path: {} for path in asked}
    for path, name, value in zip(said[0:-1:3], said[1::3], said[2::3], strict=True):
        values[os.fsdecode(path)][name.decode()] = value.decode(errors="replace")
    return found | {path: _read(of) for path, of in values.items()}


def is_lfs_pointer(data: bytes) -> bool:
    """Whether these bytes are what git stores in place of a file that Git LFS keeps."""
    return len(data) <= _POINTER_LIMIT and _POINTER.fullmatch(data) is not None


@contextmanager
def obeying_attributes(git: Git) -> Iterator[Git]:
    """Git on a mirror's objects, for writing files as a checkout does: with the line ends and encodings of `.gitattributes`.

    A mirror itself is told to obey none. Filters are not run here either: only a configuration could say which program one is.
    """
    with tempfile.TemporaryDirectory(prefix="stand-in-", dir=git.directory) as made:
        folder = Path(made)
        _stand_in(folder)
        shutil.copyfile(git.directory / "config", folder / "config")
        (folder / "objects" / "info").mkdir()
        (folder / "objects" / "info" / "alternates").write_text(f"{(git.directory / 'objects').resolve()}\n")
        yield Git(folder)


def _stand_in(folder: Path) -> None:
    """Make the folder a git directory with nothing in it."""
    (folder / "objects").mkdir()
    (folder / "refs").mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/none\n")


def _read(values: dict[str, str]) -> Attributes:
    text, eol, driver, encoding, declared = (values.get(name, "") for name in _NAMES)
    return Attributes(
        text=text in ("set", "auto", "input") or (text == "unspecified" and eol in ("lf", "crlf")),
        filter="" if driver in _NONE else driver,
        encoding="" if encoding in _NONE else encoding,
        # Git stores a file with a working-tree-encoding as UTF-8.
        declared="" if declared in _NONE or encoding not in _NONE else declared,
    )


def _above(path: str) -> Iterator[str]:
    """The folders above the file, from the top."""
    parts = path.split("/")[:-1]
    return ("/".join(parts[:end]) for end in range(len(parts) + 1))
