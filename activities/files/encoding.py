"""How a file's text is written: its encoding, byte order mark and line ends, so that an edit can keep all three."""

import codecs
import re
from dataclasses import dataclass

from activities.files.declared_encoding import codecs_of, declared, is_wide, looks_utf16, looks_western

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),  # before UTF-16, whose mark is how this one begins
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with a byte order mark"),
)

_LONE = re.compile("[\ud800-\udfff]")
_ENDS = re.compile(r"\r?\n")
_XML_UTF16 = re.compile(r"""<\?xml[^>]*encoding\s*=\s*["']utf-16""", re.IGNORECASE)


class DoesNotFit(ValueError):
    """A text holds a character that the encoding has no place for."""

    def __init__(self, character: str, line: int) -> None:
        super().__init__(character)
        self.character = character
        self.line = line


@dataclass(frozen=True)
class Encoding:
    """An encoding that turns a file into text and back without changing a byte.

    `name` is for people. `guessed`: nothing in the file says so; every byte has a character all the same. `unknown`: only its
    ASCII is text; each other byte becomes a lone surrogate, which turns into that byte again, and no other text can be written.
    """

    codec: str = "utf-8"
    name: str = "UTF-8"
    mark: bytes = b""
    guessed: bool = False
    unknown: bool = False

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
        return "surrogateescape" if self.codec == "utf-8" or self.unknown else "strict"


UTF8 = Encoding()
UTF8_MARKED = Encoding("utf-8", "UTF-8 with a byte order mark", codecs.BOM_UTF8)
UNKNOWN = Encoding("ascii", "an unknown encoding", unknown=True)


def encoding_of(data: bytes, attribute: str = "") -> Encoding | None:
    """The encoding of a file; None if it is binary. What is said of it counts before what its bytes look like.

    `attribute` is what `.gitattributes` say (`encoding=…`), "" for nothing; valid UTF-8 is that all the same. Where neither
    they nor the file name an encoding that its bytes are in, and they are no UTF-8, it is `UNKNOWN`, or a guess if they look
    like Western European text.
    """
    for mark, codec, name in _MARKS:
        wide = codec != UTF8.codec
        if data.startswith(mark) and (wide or b"\0" not in data) and _is_kept(found := Encoding(codec, name, mark), data):
            return found
    said = _named((attribute,), data) if attribute else None
    if b"\0" in data:
        return said or _wide_xml(data)
    if data.isascii():
        # Text to come is written as the file says, although all there is so far would be the same in UTF-8.
        return said or _named(declared(data, strictly=True), data) or UTF8
    text = data.decode(errors="surrogateescape")
    invalid = len(_LONE.findall(text))
    if not invalid:
        return _two_bytes(text, data) or UTF8
    # Some bytes are wrong in what is UTF-8 otherwise; other encodings hardly ever look like it.
    if sum(character >= "\x80" for character in text) >= 2 * invalid:
        return said or UTF8
    names = (*((attribute,) if attribute else ()), *declared(data))
    return _named(names, data) or (UNKNOWN if names or not looks_western(data) else _guessed(data))


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


def _named(names: tuple[str, ...], data: bytes) -> Encoding | None:
    """The first of these encodings that the bytes are in; None where they are in none of them."""
    for name in names:
        for codec in codecs_of(name):
            encoding = UTF8 if codec == UTF8.codec else Encoding(codec, name)
            if _is_kept(encoding, data):
                return encoding
    return None


def _two_bytes(text: str, data: bytes) -> Encoding | None:
    """What the file says it is, where its few characters are valid UTF-8 by chance; None where UTF-8 is the better reading."""
    if max(text) >= "\u0800":
        return None
    found = _named(declared(data, strictly=True), data)
    return found if found is not None and is_wide(found.codec) else None


def _wide_xml(data: bytes) -> Encoding | None:
    """UTF-16 without a mark, where an XML declaration makes it certain (https://www.w3.org/TR/xml/#sec-guessing)."""
    codec = looks_utf16(data)
    text = data.decode(codec) if codec else ""
    if _XML_UTF16.match(text):
        return Encoding(codec, "UTF-16 without a byte order mark")
    return None


def _guessed(data: bytes) -> Encoding:
    # Only control characters in Latin-1: where they are used, it is Windows' form of it.
    windows = Encoding("cp1252", "Windows-1252", guessed=True)
    if any(0x80 <= byte <= 0x9F for byte in data) and _is_kept(windows, data):
        return windows
    return Encoding("latin-1", "Latin-1", guessed=True)


def _is_kept(encoding: Encoding, data: bytes) -> bool:
    """Whether the bytes are in this encoding, and it makes the same bytes of their text. UTF-8 may have wrong ones."""
    try:
        return encoding.encode(encoding.decode(data)) == data
    except (UnicodeError, DoesNotFit):
        return False
