"""Which encoding a file names at its beginning, and which one its bytes look like where it names none."""

import codecs
import re

_LOOKED_AT = 1024

_LOOSE = re.compile(
    rb"""(?:coding[:=]|\bfenc=|encoding=|charset=|use[ \t]+encoding[ \t]+|@charset[ \t]+)[ \t]*["']?([A-Za-z0-9._:-]{1,40})"""
)
"""Python, Ruby, Emacs and Vim (`coding: latin-1`), XML (`encoding="…"`), HTML and gettext (`charset=…`), Perl, CSS."""

_STRICT = (
    re.compile(rb"\A(?:[^\n]*\n)?[ \t\f]*#[^\n]*?coding[:=][ \t]*([-\w.]{1,40})"),  # PEP 263: one of the first two lines
    re.compile(rb"""\A<\?xml[^>]*?\bencoding[ \t]*=[ \t]*["']([-\w.:]{1,40})"""),
    re.compile(rb"""\A\s*<(?:[\s\S]*?<)?meta\b[^>]*?\bcharset[ \t]*=[ \t]*["']?([-\w.:]{1,40})""", re.IGNORECASE),
    re.compile(rb"""\A@charset "([-\w.:]{1,40})";"""),
)
"""Forms that mean the file itself: others may stand in a program that reads or writes other files."""

_WIDER = {
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "cp950",
    "iso8859-1": "cp1252",
}
"""What is meant where the bytes are more than the name allows, as browsers read it (https://encoding.spec.whatwg.org/#names-and-labels)."""

_PUNCTUATION = frozenset(bytes.fromhex("80 85 91 92 93 94 95 96 97 99 a0 ab bb"))
_SMALL = frozenset({*range(0xDF, 0x100), 0x9A, 0x9C, 0x9E} - {0xF7})
_LARGE = frozenset({*range(0xC0, 0xDF), 0x8A, 0x8C, 0x8E, 0x9F} - {0xD7})
_SIGNS = frozenset(bytes.fromhex("a1 a3 a7 a9 aa ae b0 b1 b2 b3 b5 b7 b9 ba bc bd be bf d7 f7"))
_BESIDE = re.compile(rb"[\x80-\xff]+")
_WESTERN = re.compile(r"p{0,2}(?:s|[Ll]l?)?p{0,2}")
"""How letters that ASCII lacks stand together in Western European text: one or two, the second a small one."""


def is_known(codec: str) -> bool:
    """Whether text can be written in an encoding of this name."""
    try:
        found = codecs.lookup(codec)
        return "a".encode(found.name).endswith((b"a", b"a\0", b"a\0\0\0"))
    except (LookupError, UnicodeError, ValueError):  # also for those that make no bytes, or are no text
        return False


def declared(data: bytes, *, strictly: bool = False) -> tuple[str, ...]:
    """The encodings that a file names at its beginning, as it writes them. `strictly`: only where nothing else can be meant."""
    head = data[:_LOOKED_AT]
    if strictly:
        return tuple(found[1].decode() for one in _STRICT if (found := one.search(head)))
    return tuple(named.decode() for named in _LOOSE.findall(head))


def codecs_of(name: str) -> tuple[str, ...]:
    """The codecs that a name stands for, the exact one first; none for a name that is not known."""
    said = name if is_known(name) else re.sub(r"\A[xX]-", "", name)
    if not is_known(said):
        return ()
    exact = codecs.lookup(said).name
    return (exact, _WIDER[exact]) if exact in _WIDER else (exact,)


def is_wide(codec: str) -> bool:
    """Whether a character takes more than one byte in it."""
    try:
        return len(bytes(range(0xA1, 0xFF)).decode(codec, "replace")) < 0xFF - 0xA1
    except UnicodeError:
        return True


def looks_western(data: bytes) -> bool:
    """Whether all bytes beyond ASCII stand as they do in Western European text in Latin-1 or Windows-1252."""
    return all(_WESTERN.fullmatch("".join(_class(byte) for byte in run)) for run in _BESIDE.findall(data))


def looks_utf16(data: bytes) -> str:
    """The codec of what is UTF-16 without a byte order mark by the look of it; "" where it is not."""
    pairs = len(data) // 2
    if not pairs or len(data) % 2:
        return ""
    for codec, high in (("utf-16-le", data[1::2]), ("utf-16-be", data[0::2])):
        low = data[0::2] if codec == "utf-16-le" else data[1::2]
        if high.count(0) * 10 >= pairs * 4 and low.count(0) * 50 <= pairs and _decodes(data, codec):
            return codec
    return ""


def _decodes(data: bytes, codec: str) -> bool:
    """Whether it is text in this encoding, without characters that text hardly ever has."""
    try:
        return all(character.isprintable() or character in "\t\r\n\f" for character in data.decode(codec))
    except UnicodeError:
        return False


def _class(byte: int) -> str:
    kinds = ((_PUNCTUATION, "p"), (_SMALL, "l"), (_LARGE, "L"), (_SIGNS, "s"))
    return next((kind for those, kind in kinds if byte in those), "?")
