"""Source text with its comments and literals covered, so that a bracket in the rest is a bracket of the program. Pure."""

import re
from typing import Literal

Family = Literal["javascript", "rust", "java", "go"]

_ESCAPED = r"(?:\\.|[^{0}\\\n])*"
_DOUBLE, _SINGLE = '"' + _ESCAPED.format('"') + '"', "'" + _ESCAPED.format("'") + "'"
_TOKENS: dict[Family, re.Pattern[str]] = {
    "javascript": re.compile(rf"//[^\n]*|/\*.*?\*/|{_DOUBLE}|{_SINGLE}|`|/", re.DOTALL),
    # A lifetime ('a) is no literal: only a quote directly behind one character closes it.
    "rust": re.compile(
        r"//[^\n]*|/\*|b?r(?P<hashes>#*)\".*?\"(?P=hashes)|\"(?:\\.|[^\"\\])*\"|'(?:\\u\{[^}]*\}|\\x..|\\.|[^\\'\n])'",
        re.DOTALL,
    ),
    "java": re.compile(rf'//[^\n]*|/\*.*?\*/|"""(?:\\.|[^\\])*?"""|{_DOUBLE}|{_SINGLE}', re.DOTALL),
    "go": re.compile(rf"//[^\n]*|/\*.*?\*/|`[^`]*`|{_DOUBLE}|{_SINGLE}", re.DOTALL),
}
_REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*")
_OPERAND = re.compile(
    r"(?<![\w$])(?:return|typeof|case|in|of|delete|void|throw|new|else|do|yield|await)\Z|[^\w$)\]}\"<]\Z|\A\Z"
)
_NESTED = re.compile(r"/\*|\*/")
_IN_TEMPLATE, _IN_CODE = re.compile(r"\\.|`|\$\{", re.DOTALL), re.compile(rf"`|[{{}}]|{_DOUBLE}|{_SINGLE}", re.DOTALL)

COVER = '"'
"""What stands for every character of a literal, also for the line ends in it."""


def masked(text: str, family: Family) -> str:
    """The text, as long as before: comments are spaces, literals are quotation marks, the line ends of comments stay."""
    # The line that names an interpreter is no code.
    at = text.find("\n") + 1 if text.startswith("#!/") else 0
    parts: list[str] = [" " * (at - 1) + "\n"] if at else []
    while (found := _TOKENS[family].search(text, at)) is not None:
        parts.append(text[at : found.start()])
        start, end = found.start(), found.end()
        comment = found[0].startswith(("//", "/*"))
        if found[0] == "`":
            end = _template_end(text, start)
        elif found[0] == "/":
            end = _regex_end(text, start, "".join(parts[-3:])[-12:])
        elif found[0] == "/*" and family == "rust":
            end = _comment_end(text, start)
        if comment:
            parts.append(re.sub(r"[^\n]", " ", text[start:end]))
        else:
            parts.append("/" if end == start + 1 and found[0] == "/" else COVER * (end - start))
        at = end
    return "".join((*parts, text[at:]))


def _regex_end(text: str, start: int, before: str) -> int:
    """The end of a regular expression; one character further where this is a division, or the end of an element (`</a>`)."""
    found = _REGEX.match(text, start) if _OPERAND.search(before.rstrip(" \t")) else None
    return found.end() if found else start + 1


def _template_end(text: str, start: int) -> int:
    """The end of a template literal with the code in it, which may hold further ones. A loop: they may be nested deeply."""
    inside, at = [-1], start + 1  # -1 is text, any other number the brackets that are open in code
    while inside and (found := (_IN_TEMPLATE if inside[-1] < 0 else _IN_CODE).search(text, at)) is not None:
        at, mark = found.end(), found[0]
        if mark == "`" and inside[-1] < 0:
            inside.pop()
        elif mark == "`":
            inside.append(-1)
        elif mark == "${":
            inside.append(0)
        elif mark == "{":
            inside[-1] += 1
        elif mark == "}" and inside[-1] > 0:
            inside[-1] -= 1
        elif mark == "}":
            inside.pop()
    return at if not inside else len(text)


def _comment_end(text: str, start: int) -> int:
    """The end of a comment that may hold further ones."""
    depth = 0
    for found in _NESTED.finditer(text, start):
        depth += 1 if found[0] == "/*" else -1
        if not depth:
            return found.end()
    return len(text)
