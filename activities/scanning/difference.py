"""A patch as the files that it changes, with the lines that it adds and removes. Pure."""

import codecs
from dataclasses import dataclass, field

from activities.files.encoding import encoding_of, shown
from contracts.diffs import Line, lines_of
from contracts.special_paths import ECOSYSTEMS, fits

PYTHON = (".py", ".pyi", ".pyw")
LINK, SUBMODULE = "120000", "160000"
_TESTS = tuple(pattern for one in ECOSYSTEMS for pattern in one.tests)
_MODES = (b"new file mode ", b"new mode ")


@dataclass
class ChangedFile:
    """One file of a patch. `added` maps a line's number at the head to its text; `removed` says before which line it stood."""

    path: str
    added: dict[int, str] = field(default_factory=dict)
    removed: list[tuple[int, str]] = field(default_factory=list)
    mode: str = ""
    new: bool = False
    gone: bool = False
    binary: bool = False

    @property
    def is_python(self) -> bool:
        """True for a file that Python's linters read."""
        return self.path.lower().endswith(PYTHON) and self.mode not in (LINK, SUBMODULE)

    @property
    def is_test(self) -> bool:
        """True for a test, by its path."""
        return fits(self.path, _TESTS)

    def before(self, head: str) -> str:
        """The file as it was, made from its text at the head."""
        lines: list[str] = []
        waiting = sorted(self.removed, key=lambda one: one[0])
        at, now = 0, head.split("\n")
        for number, line in enumerate(now, 1):
            while at < len(waiting) and waiting[at][0] <= number:
                lines.append(waiting[at][1])
                at += 1
            if number not in self.added:
                lines.append(line)
        return "\n".join([*lines, *(text for _, text in waiting[at:])])


def files_of(patch: bytes) -> list[ChangedFile]:
    """The files of a patch that git made, in its order."""
    files: list[ChangedFile] = []
    for line in lines_of(patch):
        if line.kind == "about" and line.raw.startswith(b"diff --git "):
            files.append(ChangedFile(_name(line)))
        elif files:
            _take(files[-1], line)
    return files


def text_of(raw: bytes) -> str:
    """The bytes of a file, or of one of its lines, as text. What is no character is written out."""
    encoding = encoding_of(raw)
    return raw.decode(errors="replace") if encoding is None else shown(encoding.decode(raw))


def _name(line: Line) -> str:
    raw = line.path
    if line.raw.endswith(b'"'):  # git escapes what is not printable, as C does
        raw = codecs.escape_decode(raw)[0]
    return raw.decode(errors="surrogateescape")


def _take(file: ChangedFile, line: Line) -> None:
    if line.kind == "added":
        file.added[line.number] = text_of(line.raw[1:])
    elif line.kind == "removed":
        file.removed.append((line.number, text_of(line.raw[1:])))
    elif line.kind == "binary":
        file.binary = True
    elif line.kind == "about":
        file.path = line.path.decode(errors="surrogateescape") if line.raw.startswith(b"+++ b/") else file.path
        file.new = file.new or line.raw.startswith(b"new file mode ")
        file.gone = file.gone or line.raw.startswith(b"deleted file mode ")
        file.binary = file.binary or line.raw.startswith(b"Binary files ")
        for mark in _MODES:
            if line.raw.startswith(mark):
                file.mode = line.raw.removeprefix(mark).decode()
        if line.raw.startswith(b"index ") and b" " in line.raw[6:]:
            file.mode = line.raw.rpartition(b" ")[2].decode()
