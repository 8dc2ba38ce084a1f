"""Bytes as a person reads them before deciding: nothing is hidden, and what is shown means exactly one thing."""

import re
import unicodedata

MARKS = 3
"""Combining marks on one letter that are shown as they are: no script needs more, and a flood of them covers its neighbours."""

_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_MARK_CATEGORIES = frozenset({"Mn", "Me"})

_UNSEEN_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(
    chr(point) for first, last in ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF)) for point in range(first, last + 1)
)
"""Letters and marks by their category that show nothing: fillers, joiners, blanks, variation selectors."""

_PLAIN = frozenset("\t ")
_ESCAPE_FOLLOWS = re.compile(r"(?:u[0-9a-f]{4}|x[0-9a-f]{2})", re.IGNORECASE)
# `\Z`, because `$` also matches before a line feed at the end.
_SIMPLE = re.compile(r"[\t\x20-\x5b\x5d-\x7e]*\Z")


def exact(line: bytes) -> str:
    """One line of a file, without its line feed, with everything that a reader could not see written as its code.

    `\\u202e` is a character, beyond U+FFFF a pair of such codes; `\\xff` is a byte that is not UTF-8. Where the file itself
    has a backslash that could be taken for the beginning of such a code, the backslash is doubled. So no two lines look
    alike, and each can be read back. Tabs and spaces stay. A line feed in `line` is written `\\u000a`.
    """
    text = line.decode(errors="surrogateescape")
    # Nearly all lines of source are plain ASCII: one match saves looking at them letter by letter.
    if _SIMPLE.match(text):
        return text
    shown: list[str] = []
    marks = MARKS  # a mark at the very beginning has no letter of ours to stand on
    at = 0
    while at < len(text):
        character = text[at]
        if character == "\\":
            run = len(text) - at - len(text[at:].lstrip("\\"))
            shown.append("\\" * (2 * run if _read_as_code(text, at + run) else run))
            at, marks = at + run, 0
            continue
        marks = marks + 1 if unicodedata.category(character) in _MARK_CATEGORIES else 0
        if is_unseen(character) or marks > MARKS:
            shown.append(_code(character))
            marks = MARKS  # nor may one stand on the last digit of a code
        else:
            shown.append(character)
        at += 1
    return "".join(shown)


def is_unseen(character: str) -> bool:
    """Whether a reader would see nothing, or something else, where it stands. Tab and space are seen."""
    if character in _PLAIN:
        return False
    return character in _UNSEEN_LETTERS or unicodedata.category(character) in _UNSEEN_CATEGORIES


def unseen(line: bytes) -> tuple[str, ...]:
    """The hidden characters of a line as `exact` writes them, once each and in order.

    Bytes that are not UTF-8 are none, and neither is a carriage return at the very end: those are encoding and line end.
    """
    text = line.removesuffix(b"\r").decode(errors="surrogateescape")
    if _SIMPLE.match(text):
        return ()
    return tuple(dict.fromkeys(_code(one) for one in text if is_unseen(one) and unicodedata.category(one) != "Cs"))


def _read_as_code(text: str, at: int) -> bool:
    """Whether what is shown from here on begins like the rest of a code, so that a backslash before it has to be doubled."""
    return at < len(text) and (is_unseen(text[at]) or _ESCAPE_FOLLOWS.match(text, at) is not None)


def _code(character: str) -> str:
    point = ord(character)
    if 0xDC80 <= point <= 0xDCFF:  # how Python keeps a byte that is not UTF-8; real half characters are no UTF-8 either
        return f"\\x{point - 0xDC00:02x}"
    if point <= 0xFFFF:
        return f"\\u{point:04x}"
    # As `visible` writes them, and JSON: one form for one thing.
    return f"\\u{0xD7C0 + (point >> 10):04x}\\u{0xDC00 + (point & 0x3FF):04x}"
