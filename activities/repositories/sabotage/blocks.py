"""A source file as brackets and statements, without knowing its grammar. Pure.

What is read wrongly puts a fault where it does not belong, and the file does not build: the run with a fault that is not live
finds that out. Every pass is linear in the length of the text, and none of them nests: the text is a stranger's.
"""

import re
from bisect import bisect_left
from dataclasses import dataclass

from activities.repositories.sabotage.dialects import HOLDS_STATEMENTS, Dialect, Kind
from activities.repositories.sabotage.masks import masked

TOP = -1
"""Stands for the braces around the whole file."""

HEAD = 1000
"""Characters before a brace that are looked at to know what it opens."""

LOOKED = 2 * 1024 * 1024
"""Characters of all heads together; only a file that is made to take long has more."""

_CLOSES = {")": "(", "]": "[", "}": "{"}
_NEXT = re.compile(r"[\n;:,(\[{]")
_GOES_ON = re.compile(r"(else|catch|finally|in|of|instanceof|extends|implements|satisfies|as)\b")
_EXPECTS_MORE = re.compile(
    r"([=*/%&|^<?:,.(\[{!~]|=>|(?<!\+)\+|(?<!-)-|(?<![\w$])(else|do|in|of|instanceof|extends|implements|const|let|var|import|export"
    r"|default|from|typeof|new|throw|await|async))\Z"
)
_CLAUSE = re.compile(r"\s*(\}?\s*else\s+)?(\w+:\s*)?(if|for|switch)\b[^{}]*\Z")
_OPEN_HEAD = re.compile(r"(^|\belse\s+)(if|while|for|with)(\s+await)?\s*\(\)\Z|(^|\s)@[\w.$]+(\(\))?\Z")


@dataclass(frozen=True)
class Statement:
    """One statement, member or arm: where it begins and ends. `label`: `case x:` and the like."""

    start: int
    end: int
    label: bool = False


class Unreadable(ValueError):
    """The brackets of the text do not fit together."""


class Source:
    """A file of one dialect. Raises `Unreadable`."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        self.dialect = dialect
        self.mask = masked(text, dialect.family)
        self.close: dict[int, int] = {}
        self.parent: dict[int, int] = {}
        self.opens: list[int] = []
        self._pair()
        self.open = {close: opened for opened, close in self.close.items()}
        self.kind: dict[int, Kind] = {TOP: dialect.top}
        self._looked = 0
        # In the order of the text: what a brace opens may depend on what the one before it does.
        for one in self.opens:
            self.kind[one] = self._kind(one)
        self._statements: dict[int, list[Statement]] = {}

    def _pair(self) -> None:
        waiting: list[int] = []
        for found in re.finditer(r"[()\[\]{}]", self.mask):
            at, letter = found.start(), found[0]
            if letter in _CLOSES:
                if not waiting or self.mask[waiting[-1]] != _CLOSES[letter]:
                    raise Unreadable
                self.close[waiting.pop()] = at
            else:
                self.parent[at] = waiting[-1] if waiting else TOP
                self.opens.append(at)
                waiting.append(at)
        if waiting:
            raise Unreadable

    def _kind(self, opened: int) -> Kind:
        if self.mask[opened] != "{":
            return "value"
        head = " ".join(self.head(opened)[1].split())
        self._looked += len(head)
        if self._looked > LOOKED:
            raise Unreadable
        return self.dialect.kinds(head, self.kind[self.parent[opened]])

    def around(self, at: int) -> list[int]:
        """The brackets around a place, the innermost first."""
        place = bisect_left(self.opens, at)
        one = self.opens[place - 1] if place else TOP
        while one != TOP and self.close[one] < at:
            one = self.parent[one]
        found = []
        while one != TOP:
            found.append(one)
            one = self.parent[one]
        return found

    def head(self, opened: int) -> tuple[int, str]:
        """Where that begins which a brace belongs to, and its text, with brackets in it empty."""
        inner = self.kind[self.parent[opened]] not in HOLDS_STATEMENTS
        at, text = opened - 1, ""
        while at >= 0 and opened - at < HEAD:
            letter = self.mask[at]
            if letter in _CLOSES:
                before = self.open[at]
                if letter == "}" and not self._is_value(before):
                    break
                text = self.mask[before] + letter + text
                at = before - 1
                continue
            if (
                (letter == ";" and not self.in_clause(at))
                or letter in "{(["
                or (letter == "," and inner)
                or (letter == "\n" and self._line_ends(at, text))
            ):
                break
            text = letter + text
            at -= 1
        return at + 1, text

    def _is_value(self, opened: int) -> bool:
        return self.kind[opened] == "value" or (self.dialect.newlines and self.kind[opened] == "type")

    def in_clause(self, at: int) -> bool:
        """Whether a semicolon stands in the head of a statement of Go, such as `if x := f(); x > 1 {`."""
        line = self.mask[max(self.mask.rfind("\n", 0, at) + 1, at - HEAD) : at]
        return self.dialect.family == "go" and _CLAUSE.match(line) is not None

    def _line_ends(self, at: int, text: str) -> bool:
        """Whether a line end parts what is before it from the text after it."""
        if not self.dialect.newlines or not text.strip():
            return False
        before = self.mask[max(0, at - 40) : at].rstrip()
        return not _EXPECTS_MORE.search(before) and not re.match(r"\s*([.?:&|=]|extends\b|implements\b)", text)

    def statements(self, opened: int) -> list[Statement]:
        """The statements that stand directly between these braces."""
        if opened not in self._statements:
            self._statements[opened] = list(_Splitting(self, opened).run())
        return self._statements[opened]

    def inside(self, opened: int) -> tuple[int, int]:
        """From where to where its content goes."""
        return (0, len(self.mask)) if opened == TOP else (opened + 1, self.close[opened])

    def groups(self, one: Statement) -> list[int]:
        """The brackets that stand directly in a statement."""
        found, at = [], one.start
        place = bisect_left(self.opens, at)
        while place < len(self.opens) and self.opens[place] < one.end:
            opened = self.opens[place]
            found.append(opened)
            place = bisect_left(self.opens, self.close[opened])
        return found

    def collapsed(self, start: int, end: int) -> str:
        """The text with brackets in it empty."""
        parts, at = [], start
        for opened in self.groups(Statement(start, end)):
            parts.append(self.mask[at : opened + 1])
            at = min(self.close[opened], end)
        return "".join((*parts, self.mask[at:end])).strip()

    def find(self, letters: str, start: int, end: int) -> int:
        """The first place of one of these letters outside brackets; `end` where there is none."""
        wanted = re.compile(f"[{letters}([{{]")
        while (found := wanted.search(self.mask, start, end)) is not None:
            if found[0] in letters:
                return found.start()
            start = self.close[found.start()] + 1
        return end


class _Splitting:
    """Parts what is between two braces into statements."""

    def __init__(self, source: Source, opened: int) -> None:
        self.source, self.mask = source, source.mask
        self.kind = source.kind[opened]
        self.first, self.end = source.inside(opened)
        self.begin = TOP

    def run(self) -> "list[Statement]":
        found: list[Statement] = []
        at = self.first
        while (begin := re.compile(r"[^\s;,]").search(self.mask, at, self.end)) is not None:
            self.begin = begin.start()
            at, label = self._ends(self.begin)
            # Not what is left of a comment behind it: a brace put in there would be a part of the comment.
            found.append(Statement(self.begin, self.begin + len(self.mask[self.begin : at].rstrip()), label))
        return found

    def _ends(self, at: int) -> tuple[int, bool]:
        """Where the statement that begins here ends, and whether it is a label."""
        while (found := _NEXT.search(self.mask, at, self.end)) is not None:
            at, letter = found.end(), found[0]
            if letter in "([{":
                at = self.source.close[found.start()] + 1
                if letter == "{" and self._ends_with(found.start(), at):
                    return at, False
            elif letter == ";":
                if self.source.in_clause(found.start()):
                    continue
                if not re.compile(r"\s*else\b").match(self.mask, at, self.end):
                    return at, False
            elif letter == ":" and self._is_label(found.start()):
                return at, True
            elif letter == "," and self.kind == "arms":
                return at, False
            elif letter == "\n" and self._ends_here(found.start()):
                return found.start(), False
        return self.end, False

    def _is_label(self, colon: int) -> bool:
        if self.kind != "switch" or self.mask[colon + 1 : colon + 2] in (":", "=") or self.mask[colon - 1] == ":":
            return False
        return re.match(r"(case\b|default\b)", self.mask[self.begin : colon]) is not None

    def _ends_with(self, opened: int, after: int) -> bool:
        """Whether a statement ends with these braces."""
        kind = self.source.kind[opened]
        if kind == "value":
            return False
        more = re.compile(r"(\s*)(\S+)").match(self.mask, after, self.end)
        if more is None or more[2].startswith("}"):
            return True
        if self.kind == "arms" and kind != "code" and "=>" not in self.mask[self.begin : opened]:
            return False
        if more[2].startswith((".", "?", ";", ",", ")", "]", ":", "=")) or _GOES_ON.match(more[2]):
            return False
        if more[2].startswith("while") and self.mask.startswith("do", self.begin):
            return False
        return "\n" in more[1] or more[2][0] not in "+-*/%&|^<>!([{"

    def _ends_here(self, line_end: int) -> bool:
        """Whether the line end there ends the statement."""
        if not self.source.dialect.newlines:
            return False
        before = self.mask[max(self.begin, line_end - HEAD) : line_end].rstrip()
        if _EXPECTS_MORE.search(before[-40:]):
            return False
        if self.source.dialect.family == "go":
            return True
        after = re.compile(r"\s*(\S+)").match(self.mask, line_end, self.end)
        if after is not None and (after[1][0] in ".?:=*/%&|^<>,)]([{`+-" or _GOES_ON.match(after[1])):
            # A generator among members begins with a star, and `++x` is a statement of its own.
            return (self.kind == "members" and after[1][0] in "*[") or after[1].startswith(("++", "--"))
        short = line_end - self.begin < HEAD
        return not (short and _OPEN_HEAD.search(self.source.collapsed(self.begin, line_end)))
