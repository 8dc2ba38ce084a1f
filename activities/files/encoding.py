"""How a file's text is written: its encoding, byte order mark and line ends, so that an edit can keep all three."""

import codecs
import re
from dataclasses import dataclass

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),  # before UTF-16, whose mark is how this one begins
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with a byte order mark"),
)

_DECLARED = re.compile(rb"""(?:coding[:=]|encoding=|charset=)[ \t]*["']?([A-Za-z0-9._:-]{1,40})""")
"""Python, Ruby, Emacs and Vim (`coding: latin-1`), XML (`encoding="…"`), HTML and CSS (`charset="…"`)."""

_LOOKED_AT = 1024
_LONE = re.compile("[\ud800-\udfff]")
_ENDS = re.compile(r"\r?\n")


class DoesNotFit(ValueError):
    """A text holds a character that the encoding has no place for."""

    def __init__(self, character: str, line: int) -> None:
        super().__init__(character)
        self.character = character
        self.line = line


@dataclass(frozen=True)
class Encoding:
    """An encoding that turns a file into text and back without changing a byte.

    `name` is for people. `guessed`: nothing in the file says so; every byte has a character all the same.
    """

    codec: str = "utf-8"
    name: str = "UTF-8"
    mark: bytes = b""
    guessed: bool = False

    def decode(self, data: bytes) -> str:
        """The file as text, without its byte order mark. In damaged UTF-8 an invalid byte becomes a lone surrogate."""
        return data.removeprefix(self.mark).decode(self.codec, self._errors)

    def encode(self, text: str) -> bytes:
        """The file of a text. Raises `DoesNotFit`, naming the first character that the encoding lacks and its line."""
        try:
            return self.mark + text.encode(self.codec, self._errors)
        except UnicodeEncodeError as error:
            raise DoesNotFit(text[error.start], text.count("\n", 0, error.start) + 1) from None

    @property
    def _errors(self) -> str:
        return "surrogateescape" if self.codec == "utf-8" else "strict"


UTF8 = Encoding()
UTF8_MARKED = Encoding("utf-8", "UTF-8 with a byte order mark", codecs.BOM_UTF8)


def encoding_of(data: bytes) -> Encoding | None:
    """The encoding of a file; None if it is binary. What it says of itself counts before what its bytes look like."""
    for mark, codec, name in _MARKS:
        wide = codec != UTF8.codec
        if data.startswith(mark) and (wide or b"\0" not in data) and _is_kept(found := Encoding(codec, name, mark), data):
            return found
    if b"\0" in data:
        return None
    if data.isascii():
        return UTF8
    text = data.decode(errors="surrogateescape")
    invalid = len(_LONE.findall(text))
    # Some bytes are wrong in what is UTF-8 otherwise; other encodings hardly ever look like it.
    if not invalid or sum(character >= "\x80" for character in text) >= 2 * invalid:
        return UTF8
    return _declared(data) or _guessed(data)


def shown(text: str) -> str:
    """The text for people and models: bytes that are not UTF-8 become the replacement character."""
    return _LONE.sub("\ufffd", text)


def line_end_of(text: str) -> str:
    """The line end of all lines, "\\n" or "\\r\\n"; "" if there is none, or both."""
    ended, dos = text.count("\n"), text.count("\r\n")
    return "" if not ended or 0 < dos < ended else "\r\n" if dos else "\n"


def with_line_ends(text: str, end: str) -> str:
    """The text with this line end in all lines. A carriage return elsewhere stays."""
    return _ENDS.sub(end, text)


def is_known(codec: str) -> bool:
    """Whether text can be written in an encoding of this name."""
    try:
        found = codecs.lookup(codec)
        return "a".encode(found.name).endswith((b"a", b"a\0", b"a\0\0\0"))
    except (LookupError, UnicodeError, ValueError):  # also for those that make no bytes, or are no text
        return False


def _declared(data: bytes) -> Encoding | None:
    """The encoding that the file names at its beginning, if its bytes are that."""
    for named in _DECLARED.findall(data[:_LOOKED_AT]):
        said = named.decode()
        if is_known(said):
            encoding = Encoding(codecs.lookup(said).name, said)
            if encoding.codec != "utf-8" and _is_kept(encoding, data):
                return encoding
    return None


def _guessed(data: bytes) -> Encoding:
    # Only control characters in Latin-1: where they are used, it is Windows' form of it.
    windows = Encoding("cp1252", "Windows-1252", guessed=True)
    if any(0x80 <= byte <= 0x9F for byte in data) and _is_kept(windows, data):
        return windows
    return Encoding("latin-1", "Latin-1", guessed=True)


def _is_kept(encoding: Encoding, data: bytes) -> bool:
    try:
        return encoding.encode(encoding.decode(data)) == data
    except (UnicodeError, DoesNotFit):
        return False
