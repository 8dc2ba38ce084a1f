"""How a file's new text is stored: in the file's own encoding and line ends, and as the repository's `.gitattributes` say.

A workspace holds files as git stores them. So a text that git would convert when it is added is converted here, a file that
Git LFS keeps becomes a pointer, with its content beside the mirror, and what passes through another filter is not written.
"""

import codecs
from dataclasses import dataclass
from pathlib import Path

from activities.files.declared_encoding import is_known, looks_utf16
from activities.files.encoding import UTF8, DoesNotFit, Encoding, encoding_of, line_end_of, with_line_ends
from activities.git.attributes import LFS, Attributes, attributes_of, is_lfs_pointer
from activities.git.lfs_pointers import KEPT, WRITTEN, NotHere
from activities.tools.access import PATH_SHOWN
from activities.tools.base import Content, Source, ToolProblem
from contracts.text import amount, one_line, quoted

ENDS = {"\n": "LF", "\r\n": "CRLF"}


@dataclass(frozen=True)
class Text:
    """The text of a file as it is, with the encoding that turns it into the file's bytes."""

    text: str
    encoding: Encoding = UTF8

    @property
    def end(self) -> str:
        """The line end of all lines; "" if there is none, or both."""
        return line_end_of(self.text)


@dataclass(frozen=True)
class Stored:
    """The bytes to write, and what there is to say about them; "" for nothing."""

    data: bytes
    note: str = ""


@dataclass(frozen=True)
class Put:
    """The bytes of the file in the workspace, what there is to say about them, and content that is kept outside of it."""

    data: bytes
    note: str = ""
    sources: tuple[Source, ...] = ()


class Rules:
    """What `.gitattributes` say of one path. Asked once for each edit: the edit before may have changed them."""

    def __init__(self, root: Path, path: str, lfs: Content | None = None) -> None:
        """`lfs` opens what Git LFS keeps; None: nothing that it keeps is written."""
        self._path = path
        self._of = attributes_of(root, (path,))[path]
        self._lfs = lfs() if lfs is not None and self._of.filter == LFS else None

    @property
    def attributes(self) -> Attributes:
        """As git reads them."""
        return self._of

    def refuse_filtered(self) -> None:
        """Raise `ToolProblem` if git stores something else in the file's place."""
        name, driver = one_line(self._path, PATH_SHOWN), self._of.filter
        if driver == LFS:
            closed = self.closed()
            if not closed:
                return
            raise ToolProblem(
                f"{name} is kept with Git LFS (filter=lfs in .gitattributes): git stores a pointer to its content, and "
                f"{closed}, so the content cannot be written; a person has to change it. delete_file and set_executable "
                "work on it, and move_file to another path that is kept with Git LFS"
            )
        if driver:
            raise ToolProblem(
                f"{name} passes through the filter {quoted(driver, 80)} (.gitattributes), which is not run here: git stores "
                "something else than what is written, so the content cannot be written; a person has to change it"
            )

    def closed(self) -> str:
        """Why nothing is written that Git LFS keeps; "" where it is."""
        return "this step makes none" if self._lfs is None else self._lfs.closed()

    def content(self, data: bytes) -> bytes:
        """What the file says: its bytes, or the content that they point to. Raises `ToolProblem` where that cannot be had."""
        if self._lfs is None or not is_lfs_pointer(data):
            return data
        try:
            return self._lfs.read(data, WRITTEN)
        except NotHere as error:
            raise ToolProblem(
                f"{one_line(self._path, PATH_SHOWN)} is kept with Git LFS, and its content is not here: "
                f"{one_line(str(error), 500)}; write_file can replace all of it"
            ) from None

    def put(self, made: Stored) -> Put:
        """What is written into the workspace for these bytes, and what is kept of them elsewhere."""
        if self._lfs is None:
            return Put(made.data, made.note)
        note = "kept with Git LFS: git stores a pointer, and the content is uploaded with the push"
        source = Source(f"{KEPT}{one_line(self._path, PATH_SHOWN)}", made.data, "application/octet-stream")
        return Put(self._lfs.write(made.data), "; ".join(one for one in (made.note, note) if one), (source,))

    def stored(self, text: str, before: Text | None) -> Stored:
        """The bytes of a new text. `before` is the file as it was; None if there was none.

        Raises `ToolProblem` if the text holds a character that the file's encoding lacks, in the repository or when git
        checks the file out.
        """
        notes = [] if before is None else self._kept(before)
        if self._of.text and "\r\n" in text and "\r\n" not in (before.text if before else ""):
            text = with_line_ends(text, "\n")
            notes.append("line ends are stored as LF, as .gitattributes says; git writes others on checkout where it has to")
        if before is not None and before.end == "\n" and "\r\n" in text:
            notes.append("CRLF is written into a file that had LF")
        encoding = UTF8 if before is None else before.encoding
        try:
            data = encoding.encode(text.removeprefix("\ufeff") if encoding.mark else text)
        except DoesNotFit as error:
            if encoding.unknown:
                raise ToolProblem(self._unknown(error)) from None
            raise ToolProblem(self._misfit(error, encoding.name + (" (a guess)" if encoding.guessed else ""))) from None
        self._refuse_unwritable(text)
        return Stored(data, "; ".join(notes))

    def _kept(self, before: Text) -> list[str]:
        """What stays as it was and is not what everybody expects."""
        notes = [f"line ends stay {ENDS[before.end]}"] if before.end == "\r\n" else []
        if before.encoding.unknown:
            notes.append("the encoding is unknown, so only ASCII was written, and all other bytes stayed")
        elif before.encoding != UTF8:
            guess = ", a guess: nothing in the file names its encoding" if before.encoding.guessed else ""
            notes.append(f"the encoding stays {before.encoding.name}{guess}")
        return notes

    def _refuse_unwritable(self, text: str) -> None:
        """Raise `ToolProblem` if git could not check the text out in the encoding that .gitattributes ask for."""
        wanted = self._of.encoding
        codec = wanted.upper().removesuffix("-BOM").removesuffix("BOM")
        if not wanted or not is_known(codec):
            return
        try:
            Encoding(codecs.lookup(codec).name, wanted).encode(text)
        except DoesNotFit as error:
            raise ToolProblem(self._misfit(error, f"{wanted}, its working-tree-encoding in .gitattributes")) from None

    def _unknown(self, error: DoesNotFit) -> str:
        name = one_line(self._path, PATH_SHOWN)
        return (
            f"{name}: its encoding is unknown: neither the file nor .gitattributes ({name} encoding=…) say which one its bytes "
            f"are in, so only ASCII can be written, and {quoted(error.character, 20)} (U+{ord(error.character):04X}, line "
            f"{error.line} of the new text) is none; convert_file with written_in says what it is; nothing was changed"
        )

    def _misfit(self, error: DoesNotFit, encoding: str) -> str:
        name = one_line(self._path, PATH_SHOWN)
        return (
            f"{name}: {quoted(error.character, 20)} (U+{ord(error.character):04X}, line {error.line} of the new text) does not "
            f"exist in {encoding}; use characters that do, or convert_file the file to UTF-8 first; nothing was changed"
        )


def text_of(path: str, data: bytes, done: str = "edited", declared: str = "") -> Text:
    """A file as text. Raises `ToolProblem` for a binary one, which cannot be `done` as text.

    `declared` is the encoding that `.gitattributes` name for it; "" for none.
    """
    encoding = encoding_of(data, declared)
    if encoding is not None:
        return Text(encoding.decode(data), encoding)
    name, wide = one_line(path, PATH_SHOWN), looks_utf16(data)
    if wide:
        raise ToolProblem(
            f"{name} looks like UTF-16 without a byte order mark, but nothing says so, so its content cannot be {done} as "
            f"text: `{name} encoding={wide.upper().replace('16-', '16')}` in .gitattributes would; delete_file, move_file and "
            "set_executable work on it"
        )
    raise ToolProblem(
        f"{name} is binary ({amount(len(data), 'byte')}, NUL at byte {data.find(0)}), so its "
        f"content cannot be {done} as text; delete_file, move_file and set_executable work on it"
    )


def read_text(root: Path, path: str, data: bytes, done: str = "edited") -> Text:
    """As `text_of`, with what `.gitattributes` in the folder say. They are asked only where the bytes do not tell."""
    known = encoding_of(data)
    if known is not None and not (known.guessed or known.unknown):
        return Text(known.decode(data), known)
    return text_of(path, data, done, attributes_of(root, (path,))[path].declared)
