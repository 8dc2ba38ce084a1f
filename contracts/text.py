"""Untrusted text made safe to show: invisible characters are written out as codes, and long text is cut with a mark."""

import json
import re

# U+FE0E and U+FE0F are not in it: they only choose between the text and the emoji form of a symbol.
_HIDDEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control, without newline and tab; \x9b begins an ANSI sequence just as \x1b does
    "\u00ad\u034f\u061c\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, joiners, fillers
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line separators, bidi
    "\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"  # blanks; variation selectors can carry hidden data
    "\ud800-\udfff"  # lone surrogates: from file names that are not UTF-8; no encoder takes them
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # formats; tags, often used to hide instructions
    "]"
)

# What a cut through the middle of a code such as `\u202e` leaves at the end.
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-f]{0,3})?$")


def bare(text: str) -> str:
    """The text without its invisible characters, for comparing what people see."""
    return _HIDDEN.sub("", text)


def visible(text: str) -> str:
    """Write every invisible character as its code (`\\u202e`). Text without any is returned unchanged.

    Calling it twice changes nothing more, and a JSON document keeps its meaning. The result is never shorter. Backslashes are
    left alone: the form is for reading, not for decoding.
    """
    return _HIDDEN.sub(_code, text)


def for_model(text: str, limit: int) -> str:
    """`visible`, in at most `limit` characters. Cut text ends with a line that says so and how long the whole is."""
    # One more than the limit shows that it is too long: `visible` never shortens, and a huge text is not walked through.
    shown = visible(text[: limit + 1])
    if len(shown) <= limit:
        return shown
    mark = f"\n[cut here: {len(text)} characters in all]"
    if len(mark) >= limit:
        return _CUT_ESCAPE.sub("", shown[:limit])
    return _CUT_ESCAPE.sub("", shown[: limit - len(mark)]) + mark


def for_terminal(text: str, limit: int) -> str:
    """Like `for_model`: escape sequences arrive as text and cannot colour, move or retitle anything.

    Markup of a terminal library is not escaped here; print the result as plain text.
    """
    return for_model(text, limit)


def one_line(text: str, limit: int) -> str:
    """`visible` on one line of at most `limit` characters, line ends written out; cut text ends with `…`."""
    shown = visible(text[: limit + 1]).replace("\n", "\\n")
    return shown if len(shown) <= limit else _CUT_ESCAPE.sub("", shown[: limit - 1]) + "…"


def title(text: str, limit: int) -> str:
    """`one_line`, cut between two words; inside one only if it fills more than half of the line."""
    shown, longer = one_line(text, limit), one_line(text, limit + 1)
    if shown == longer:
        return shown
    kept = shown[:-1]
    between = kept if longer[len(kept)] == " " else kept.rpartition(" ")[0]
    return f"{(between if len(between) > limit // 2 else kept).rstrip(' ,;:')}…"


def quoted(text: str, limit: int) -> str:
    """The text as a JSON string, the form in which a model has to write it; cut text ends with `…`."""
    return f'"{one_line(json.dumps(text[: limit + 1], ensure_ascii=False)[1:-1], limit)}"'


def weight(text: str) -> int:
    """Length of the text inside a JSON document: what a tool's result is measured by."""
    return len(json.dumps(text, ensure_ascii=False)) - 2


def _code(found: re.Match[str]) -> str:
    point = ord(found.group())
    if point <= 0xFFFF:
        return f"\\u{point:04x}"
    # JSON writes characters beyond U+FFFF as surrogate pairs, and only so does a JSON document stay one.
    return f"\\u{0xD7C0 + (point >> 10):04x}\\u{0xDC00 + (point & 0x3FF):04x}"


def amount(count: int, thing: str) -> str:
    """A number with its noun: `1 test`, `2 tests`. For nouns whose plural takes an s."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def amount_that(count: int, thing: str, one: str, many: str) -> str:
    """An amount with its verb: `1 test fails`, `2 tests fail`."""
    return f"{amount(count, thing)} {one if count == 1 else many}"
