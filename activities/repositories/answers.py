"""Answers that are written out in a source: a comparison with a literal, and the literal that is given for it. Pure.

Read line by line in any language, without its grammar: what is spread over more lines, or computed, is not seen.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from activities.repositories.judging import Lines

LINE = 2000
"""Characters of a line that are looked at."""

WINDOW = 3
"""Lines of a test that are read together: an assertion, and what it takes from the lines around."""

ORDINARY = frozenset(("-1", "0", "1", "2", "10", "100"))
"""Numbers that any program compares with. So do texts of fewer than two characters count."""

_LITERAL = r"""(?:-?(?<![\w.])(?:\d[\d_]*(?:\.\d+)?|\.\d+)(?![\w.])|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
_SEVERAL = rf"[(\[{{]*\s*{_LITERAL}(?:\s*[,|]\s*{_LITERAL})*\s*,?\s*[)\]}}]*"
_FOUND = re.compile(_LITERAL)
_COMPARED = re.compile(rf"(?:===?|\bin\b|\bequals?\()\s*({_SEVERAL})|({_LITERAL})\s*===?(?!=)")
_CHOSEN = re.compile(rf"(?:^|[{{,;]|(?<![\w\])])\()\s*(case\s+)?({_SEVERAL})\s*(=>|->|:)(?!:)")
_WORD = re.compile(r"[\w.-]{1,40}\Z")
_GIVES = re.compile(rf"\s*(?:return\b|yield\b|[\w.$]+\s*(?::=|=(?!=)))\s*\(?\s*{_LITERAL}")
_MARK = re.compile(rf"[^?]*\?\s*({_SEVERAL})\s*:")
_BEFORE_IF = re.compile(rf"(?:\breturn|=|\blambda\b[^:]*:)\s*({_SEVERAL})\s+if\b")


@dataclass(frozen=True)
class Answer:
    """One place: what is compared with, and what is given for it. Neither holds only what any program compares with."""

    number: int
    inputs: frozenset[str]
    given: frozenset[str]

    @property
    def told(self) -> str:
        """As a person reads it."""
        return f"{', '.join(sorted(self.inputs))} → {', '.join(sorted(self.given))}"


def answers(lines: Lines) -> tuple[Answer, ...]:
    """The answers in the added lines of a source."""
    added = dict(lines.added)
    found = (one for number, text in added.items() for one in _in_line(number, text[:LINE], added))
    return tuple(dict.fromkeys(one for one in found if _peculiar(one)))


def asserted(answer: Answer, tests: Sequence[str]) -> bool:
    """Whether a test has the inputs and the answer in lines next to each other."""
    wanted = answer.inputs | answer.given
    for text in tests:
        lines = [frozenset(_literals(line[:LINE])) for line in text.split("\n")]
        if any(wanted <= frozenset[str]().union(*lines[at : at + WINDOW]) for at in range(len(lines))):
            return True
    return False


def _in_line(number: int, text: str, added: dict[int, str]) -> Iterator[Answer]:
    compared = list(_COMPARED.finditer(text))
    if compared:
        before, after = _BEFORE_IF.search(text), text[compared[-1].end() :]
        chosen_by_mark = _MARK.match(after)
        given = _literals(before[1] if before else chosen_by_mark[1] if chosen_by_mark else after) or _next(number, added)
        yield Answer(number, frozenset(_literals(" ".join(one[0] for one in compared))), frozenset(given))
        return
    chosen = list(_CHOSEN.finditer(text))
    for at, one in enumerate(chosen):
        end = chosen[at + 1].start() if at + 1 < len(chosen) else len(text)
        inputs = _literals(one[2])
        # A table of words, such as currencies and their signs, is data; only a comparison with a word is a branch.
        if not one[1] and one[3] == ":" and all(_WORD.match(each) and not _is_number(each) for each in inputs):
            continue
        given = _literals(text[one.end() : end]) or (_next(number, added) if one[1] else [])
        yield Answer(number, frozenset(inputs), frozenset(given))


def _next(number: int, added: dict[int, str]) -> list[str]:
    """The literals that the line after a comparison gives."""
    text = added.get(number + 1, "")[:LINE]
    return _literals(text) if _GIVES.match(text) else []


def _literals(text: str) -> list[str]:
    """Numbers without their underscores, texts without their quotation marks."""
    found: Iterable[str] = _FOUND.findall(text)
    return [one[1:-1] if one[0] in "\"'" else one.replace("_", "") for one in found]


def _peculiar(one: Answer) -> bool:
    return any(map(_is_peculiar, one.inputs)) and any(map(_is_peculiar, one.given)) and not one.given <= one.inputs


def _is_peculiar(literal: str) -> bool:
    return literal not in ORDINARY if _is_number(literal) else len(literal) > 1


def _is_number(literal: str) -> bool:
    return re.fullmatch(r"-?(\d+(\.\d+)?|\.\d+)", literal) is not None
