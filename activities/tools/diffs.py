"""Parses a unified diff. Anything that is not understood is refused, so that no part of a patch is lost silently."""

import re
from typing import NoReturn

from activities.tools.hunks import FilePatch, Hunk, PatchKind, PatchProblem
from contracts.text import one_line, quoted

# At most nine digits: Python refuses to read numbers of thousands, and no file has that many lines.
_HEADER = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_BETWEEN = (b"diff ", b"index ", b"Index: ", b"===", b"similarity ")
_UNSUPPORTED = (b"rename ", b"copy ", b"old mode ", b"new mode ", b"GIT binary patch", b"Binary files ")
_VERSION = re.compile(rb"\d+\.\d+")
_ESCAPES = {"n": 10, "t": 9, "r": 13, '"': 34, "\\": 92, "a": 7, "b": 8, "f": 12, "v": 11}


def parse(text: str) -> tuple[FilePatch, ...]:
    """The patch's files in order. Raises `PatchProblem`, naming the line of the patch that cannot be used, and why."""
    return _Reader(text).files()


class _Reader:
    def __init__(self, text: str) -> None:
        self._lines = text.encode(errors="surrogatepass").split(b"\n")
        if self._lines[-1] == b"":
            self._lines.pop()
        self._at = 0
        self._mode: tuple[int, bytes] | None = None

    def files(self) -> tuple[FilePatch, ...]:
        found: list[FilePatch] = []
        while self._at < len(self._lines):
            if self._names_follow(self._at):
                found.append(self._file())
            elif self._signature_here():
                break
            else:
                self._between(in_files=bool(found))
        self._no_mode_left()
        if not found:
            self._refuse("it names no file; a file begins with '--- a/PATH' and '+++ b/PATH', then hunks '@@ -1,3 +1,4 @@'")
        return tuple(found)

    def _file(self) -> FilePatch:
        old, new = _name(self._lines[self._at][4:]), _name(self._lines[self._at + 1][4:])
        path, kind = self._path(old, new)
        executable = self._mode is not None and self._mode[1].endswith(b"755") and kind == "create"
        self._mode = None
        self._at += 2
        hunks: list[Hunk] = []
        while self._here().startswith(b"@@"):
            hunks.append(self._hunk(len(hunks) + 1))
        if not hunks and kind == "modify":
            self._refuse(f"{path} has no hunks; a hunk begins with '@@ -1,3 +1,4 @@'")
        return FilePatch(path, kind, tuple(hunks), executable)

    def _path(self, old: str, new: str) -> tuple[str, PatchKind]:
        kind: PatchKind = "create" if old == "/dev/null" else "delete" if new == "/dev/null" else "modify"
        if old in ("", "/dev/null") and new in ("", "/dev/null"):
            self._refuse("it names no file in '---' and '+++'")
        if kind == "create":
            return new.removeprefix("b/"), kind
        if kind == "delete":
            return old.removeprefix("a/"), kind
        # Only as a pair: a folder may really be called `a` or `b`.
        if old.startswith("a/") and new.startswith("b/"):
            old, new = old[2:], new[2:]
        if old != new:
            self._refuse(f"it renames {quoted(old, 200)} to {quoted(new, 200)}; move_file does that")
        return new, kind

    def _hunk(self, number: int) -> Hunk:
        start, header = self._at, _HEADER.match(self._here())
        if header is None:
            self._refuse(f"{quoted(self._here().decode(errors='replace'), 100)} is no hunk header like '@@ -12,3 +12,4 @@'")
        old_count, new_count = (int(header[i]) if header[i] is not None else 1 for i in (2, 4))
        old: list[bytes] = []
        new: list[bytes] = []
        context = 0
        self._at += 1
        while len(old) < old_count or len(new) < new_count:
            sign, line = self._body_line()
            if sign != b"+":
                old.append(line)
            if sign != b"-":
                new.append(line)
            context += sign == b" "
            if not sign or len(old) > old_count or len(new) > new_count:
                self._miscounted(start, old_count, new_count)
        if self._at < len(self._lines) and self._here()[:1] in (b" ", b"+", b"-") and not self._ends_here():
            self._miscounted(start, old_count, new_count)
        self._open_ends(start, old, new)
        # A header with no old lines names the line before, which is the index already.
        return Hunk(number, int(header[1]) - (1 if old_count else 0), tuple(old), tuple(new), context)

    def _body_line(self) -> tuple[bytes, bytes]:
        """The next line of a hunk: its sign and its content with line end. No sign if the hunk is over."""
        if self._at == len(self._lines):
            return b"", b""
        line = self._here()
        self._at += 1
        # Editors and models strip the single space of an empty context line.
        sign, content = (b" ", line) if line in (b"", b"\r") else (line[:1], line[1:])
        if sign not in (b" ", b"+", b"-"):
            return b"", b""
        if self._here().startswith(b"\\"):
            self._at += 1
            return sign, content
        return sign, content + b"\n"

    def _open_ends(self, start: int, old: list[bytes], new: list[bytes]) -> None:
        if any(not line.endswith(b"\n") for line in old[:-1] + new[:-1]):
            self._at = start
            self._refuse("'\\ No newline at end of file' comes before the last line of this hunk; remove it")

    def _miscounted(self, start: int, old_count: int, new_count: int) -> NoReturn:
        old = new = 0
        self._at = start + 1
        while self._at < len(self._lines) and not self._ends_here():
            sign, line = self._body_line()
            if not sign or (line == b"\n" and not any(self._lines[self._at :])):
                break
            old += sign != b"+"
            new += sign != b"-"
        self._at = start
        self._refuse(
            f"the hunk's header announces {old_count} old and {new_count} new lines, but {old} and {new} follow; every line of "
            "a hunk starts with a space, '+' or '-', and the header counts them"
        )

    def _between(self, *, in_files: bool) -> None:
        """Skip a line that belongs to no file, if that is harmless. Raises `PatchProblem` otherwise."""
        line = self._here()
        if line.startswith(b"diff "):
            self._no_mode_left()
        if line.startswith(_UNSUPPORTED):
            self._refuse(
                f"{quoted(line.decode(errors='replace'), 100)} is not supported; only text is created, changed, deleted. "
                "move_file moves a file, set_executable changes its mode, delete_file deletes a binary one"
            )
        if line.startswith((b"new file mode ", b"deleted file mode ")):
            if not line.rstrip().endswith((b" 100644", b" 100755")):
                self._refuse(
                    "only ordinary files can be created and deleted here, no submodules and no links; write_link makes a link, "
                    "delete_file deletes one"
                )
            self._mode = (self._at, line.rstrip())
        elif line.startswith(b"@@"):
            self._refuse("a hunk without a file; put '--- a/PATH' and '+++ b/PATH' before it")
        elif in_files and line.strip() and not line.startswith(_BETWEEN):
            self._refuse(f"{quoted(line.decode(errors='replace'), 100)} belongs to no hunk")
        self._at += 1

    def _no_mode_left(self) -> None:
        """Refuse a mode line without file names: it stands for an empty file, which would be lost."""
        if self._mode is not None:
            self._at = self._mode[0]
            self._refuse("to create an empty file write '--- /dev/null' and '+++ b/PATH'; to delete one, the other way round")

    def _here(self) -> bytes:
        return self._lines[self._at] if self._at < len(self._lines) else b""

    def _names_follow(self, at: int) -> bool:
        following = self._lines[at + 1] if at + 1 < len(self._lines) else b""
        return self._lines[at].startswith(b"--- ") and following.startswith(b"+++ ")

    def _ends_here(self) -> bool:
        return self._signature_here() or self._names_follow(self._at)

    def _signature_here(self) -> bool:
        """True at the end of a mailed patch: git's version. Without the version the line could be a removed line."""
        following = self._lines[self._at + 1] if self._at + 1 < len(self._lines) else b""
        return self._lines[self._at] == b"-- " and _VERSION.match(following) is not None

    def _refuse(self, why: str) -> NoReturn:
        line = min(self._at + 1, len(self._lines))
        raise PatchProblem(one_line(f"the patch cannot be read, line {line}: {why}", 800))


def _name(raw: bytes) -> str:
    """A file's name as diff and git write it: quoted with escapes if it is unusual, perhaps with a time after a tab."""
    text = raw.removesuffix(b"\r").decode(errors="replace")
    if not text.startswith('"'):
        return text.split("\t")[0]
    named = bytearray()
    for escape, plain in re.findall(r"\\([0-7]{3}|.)|([^\\]+)", text[1:].rpartition('"')[0]):
        if plain:
            named += plain.encode(errors="replace")
        else:
            named.append(int(escape, 8) & 0xFF if len(escape) == 3 else _ESCAPES.get(escape, ord("?")))
    return named.decode(errors="surrogateescape")
