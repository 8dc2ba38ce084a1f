"""A POSIX shell or bash script as lines, each with what it is a part of, without a shell's whole grammar. Pure.

What is read wrongly puts a fault where it does not belong, and the script does not run: the run with a fault that is not live
finds that out. One pass, linear in the length of the text, and a loop instead of calls: the text is a stranger's.
"""

import re
from dataclasses import dataclass, field

_OPENERS = frozenset(("if", "for", "while", "until", "select"))
_ARMS = frozenset(("then", "else", "elif", "do"))
_CLOSERS = frozenset(("fi", "done"))
_BEFORE_COMMAND = frozenset((*_ARMS, "if", "while", "until", "!", "{", "time"))
_WORD = re.compile(r"[^\s;&|()<>`'\"\\$#]+|#")
_IN_BRACES = re.compile(r"[^\s;&|()<>`'\"\\$#{}]+|#")
_HEREDOC = re.compile(r"<<(-?)[ \t]*(\\?[\w.-]+|'[^'\n]+'|\"[^\"\n]+\")")
_ANSI = re.compile(r"\$'(?:\\.|[^'\\])*'", re.DOTALL)
_GOES_ON = re.compile(r"(\|\||&&|\|&?)\s*\Z")


class Unreadable(ValueError):
    """Quotes, brackets or blocks of the text do not fit together."""


@dataclass
class Line:
    """One line. `inside`: it goes on with what a line before it began. `code` has blanks for comments, quotes for texts."""

    inside: bool
    pattern: bool
    """It begins with the pattern of an arm of `case`."""
    branch: int
    """What is run only under a condition has a number of its own; 0 for none."""
    where: str
    code: str = ""
    after: int = 0
    """The branch at its end."""


@dataclass
class _Block:
    kind: str
    branch: int = 0
    name: str = ""


@dataclass
class Reading:
    """The lines of a script. Raises `Unreadable`."""

    text: str
    lines: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._blocks: list[_Block] = []
        self._quotes: list[str] = []
        self._code: list[str] = []
        self._branches = 0
        self._command, self._named = True, ""
        self._here: list[tuple[str, bool]] = []
        self._at = 0
        self._read()
        if self._quotes or self._blocks or self._here:
            raise Unreadable

    def _read(self) -> None:
        self._begin(goes_on=False)
        while self._at < len(self.text):
            letter = self.text[self._at]
            if letter == "\n":
                self._line_end()
            elif self._quotes and self._quotes[-1] in "\"`'":
                self._quoted(letter)
            else:
                self._token(letter)
        self._end()

    def _begin(self, *, goes_on: bool) -> None:
        inside = goes_on or bool(self._quotes and self._quotes[-1] != "(")
        pattern = bool(self._blocks) and self._blocks[-1].kind == "pattern" and not inside
        where = next((one.name for one in reversed(self._blocks) if one.name), "")
        self.lines.append(Line(inside, pattern, self._branch(), where))
        self._code = []

    def _end(self) -> None:
        self.lines[-1].code, self.lines[-1].after = "".join(self._code), self._branch()

    def _branch(self) -> int:
        return next((one.branch for one in reversed(self._blocks) if one.branch), 0)

    def _line_end(self) -> None:
        self._at += 1
        self._end()
        goes_on = self._code[-1:] == ["\\"] or _GOES_ON.search(self.lines[-1].code) is not None
        if not self._quotes or self._quotes[-1] == "(":
            self._command = self._command or self._code[-1:] != ["\\"]
        self._begin(goes_on=goes_on)
        while self._here:
            word, tabs = self._here.pop(0)
            self._skip_text(word, tabs=tabs)

    def _skip_text(self, word: str, *, tabs: bool) -> None:
        """The lines of a here-document, which belong to the command above it."""
        while self._at < len(self.text):
            end = self.text.find("\n", self._at)
            end = len(self.text) if end < 0 else end
            line = self.text[self._at : end]
            self.lines[-1].inside = True
            self._at = min(end + 1, len(self.text))
            self._end()
            if end < len(self.text):
                self._begin(goes_on=False)
            if (line.lstrip("\t") if tabs else line) == word:
                return
        raise Unreadable

    def _quoted(self, letter: str) -> None:
        """Within a text, or within backquotes, whose commands are not looked at."""
        quote = self._quotes[-1]
        if letter == "\\" and quote != "'":
            self._take(2, '"')
        elif letter == quote:
            self._quotes.pop()
            self._take(1, '"')
        elif quote == '"' and self.text.startswith(("$(", "${"), self._at):
            self._quotes.append("$(" if self.text[self._at + 1] == "(" else "${")
            self._take(2, '"')
        else:
            self._take(1, '"')

    def _take(self, count: int, shown: str) -> None:
        # Line ends are taken by `_line_end` alone, or lines would be counted wrongly.
        count = 1 if "\n" in self.text[self._at + 1 : self._at + count] else count
        # As long as what it stands for: places in it are places in the text.
        self._code.append(shown * count if len(shown) == 1 else shown)
        self._at += count

    def _token(self, letter: str) -> None:
        text, at = self.text, self._at
        here = _HEREDOC.match(text, at) if letter == "<" and not text.startswith("<<<", at) else None
        ansi = _ANSI.match(text, at) if letter == "$" else None
        word = (_IN_BRACES if self._quotes[-1:] == ["${"] else _WORD).match(text, at)
        if here is not None:
            self._here.append((here[2].strip("'\"").removeprefix("\\"), here[1] == "-"))
            self._take(len(here[0]), '"')
        elif ansi is not None and "\n" not in ansi[0]:
            self._take(len(ansi[0]), '"')
        elif letter == "#" and (at == 0 or text[at - 1] in " \t\n;&|()"):
            end = text.find("\n", at)
            self._at = len(text) if end < 0 else end
        elif letter == "\\":
            self._take(2, "\\" if text[at + 1 : at + 2] == "\n" else '"')
        elif letter in "\"'`":
            self._quotes.append(letter)
            self._command = False
            self._take(1, '"')
        elif letter in "$(){};&|<>" and self._sign(letter):
            return
        elif word is not None:
            self._word(word[0])
        else:
            self._take(1, letter)

    def _sign(self, letter: str) -> bool:
        """What opens, closes or parts; False where a word begins here."""
        text, at = self.text, self._at
        if text.startswith(("$((", "((", "${"), at):
            self._quotes += ["$("] * text[at:].removeprefix("$")[:2].count("(") or ["${"]
            self._take(2 + (text.startswith("$((", at)), '"')
        elif text.startswith(("$(", "<(", ">("), at):
            self._quotes.append("$(")
            self._take(2, '"')
        elif letter == "(":
            self._open(at)
        elif letter == ")":
            self._close()
        elif letter == "}" and self._quotes[-1:] == ["${"]:
            self._quotes.pop()
            self._take(1, '"')
        elif letter in ";&|":
            self._part()
        elif letter in "$<>":
            self._command = False
            self._take(1, letter)
        else:
            return False
        return True

    def _open(self, at: int) -> None:
        if self.text.startswith("()", at) or re.compile(r"\(\s+\)").match(self.text, at):
            self._named = "".join(self._code).split()[-1] if "".join(self._code).split() else ""
            self._command = True
            length = self.text.index(")", at) + 1 - at
            self._take(length, "(" + " " * (length - 2) + ")")
            return
        pattern = bool(self._blocks) and self._blocks[-1].kind == "pattern"
        if not pattern:
            self._quotes.append("$(" if (self._quotes and self._quotes[-1] != "(") or not self._command else "(")
        self._take(1, "(")

    def _close(self) -> None:
        if self._quotes and self._quotes[-1] in ("(", "$("):
            self._quotes.pop()
            self._command = False
        elif self._blocks and self._blocks[-1].kind == "pattern":
            self._branches += 1
            self._blocks[-1] = _Block("body", self._branches)
            self._command = True
        else:
            raise Unreadable
        self._take(1, ")")

    def _part(self) -> None:
        two = self.text[self._at : self._at + 2]
        if two in (";;", ";&") and self._blocks and self._blocks[-1].kind == "body" and not self._quotes:
            self._blocks[-1].kind = "pattern"
        self._command = True
        self._take(
            2 if two in (";;", ";&", "&&", "||", "|&", "&>") else 1, two if two in (";;", "&&", "||") else self.text[self._at]
        )

    def _word(self, word: str) -> None:
        if not self._quotes or self._quotes[-1] == "(":
            self._keyword(word)
        self._take(len(word), word)

    def _keyword(self, word: str) -> None:
        top = self._blocks[-1].kind if self._blocks else ""
        if top == "case" and word == "in":
            self._blocks[-1].kind = "pattern"
        elif top == "pattern":
            if word == "esac":
                self._blocks.pop()
        elif self._command:
            self._block(word, top)
            self._command = word in _BEFORE_COMMAND
            if word == "function":
                found = re.compile(r"[ \t]+([^\s(){}]+)").match(self.text, self._at + len(word))
                self._named, self._command = found[1] if found else "", True

    def _block(self, word: str, top: str) -> None:
        if word in _OPENERS or word == "case":
            self._blocks.append(_Block("case" if word == "case" else "block"))
        elif word == "{":
            self._blocks.append(_Block("{", name=self._named))
        elif word in _ARMS:
            if top != "block":
                raise Unreadable
            self._branches += 1
            self._blocks[-1].branch = self._branches
        elif word in _CLOSERS or word in ("}", "esac"):
            if top != {"}": "{", "esac": "body"}.get(word, "block"):
                raise Unreadable
            self._blocks.pop()
        if word != "function":
            self._named = ""
