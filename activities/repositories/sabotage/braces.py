"""Changed lines of languages with braces made to raise, by brackets and the ends of statements. Pure."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from activities.repositories.judging import Lines
from activities.repositories.sabotage.blocks import TOP, Source, Statement, Unreadable
from activities.repositories.sabotage.dialects import HOLDS_STATEMENTS, Dialect
from activities.repositories.sabotage.names import name_of
from activities.repositories.sabotage.region import Fault, Place, Region, changed_lines, grouped, unreadable

FAULT = "\0"
"""Stands for the statement that raises."""

CLOSES = " }"
VALUE = "\1"
"""Stands for what raises before a value."""

LOOKED_BACK = 20_000
"""Characters before a line in which the function or condition that it belongs to is looked for."""

_ALWAYS = re.compile(r"(^|\W)(try|do|unsafe|synchronized\s*\(\))\Z|^\Z")
_CONDITION = re.compile(r"\b(if|while|for|with)(\s+await)?\s*\Z")
_NO_BLOCKS = re.compile(r"\b(interface|enum)\b")
_TESTS = re.compile(r"#\[\s*(cfg\s*\(\s*(all\s*\(\s*)?test\b|(\w+\s*::\s*)*test\b)")


@dataclass(frozen=True)
class Edit:
    """Text that is put in at a place; `FAULT` in it is the statement that raises."""

    at: int
    text: str


Edits = tuple[Edit, ...]


def regions(path: str, text: str, lines: Lines, dialect: Dialect) -> tuple[Region, ...]:
    """As `sabotage.regions` says it. The lines of a file that cannot be read are one region that is not breakable."""
    changed = changed_lines(lines)
    if path.endswith(".d.ts"):
        return ()
    try:
        reading = _Reading(text, dialect)
    except Unreadable:
        return unreadable(path, lines)
    return grouped(path, _doing(reading, changed), changed)


def _doing(reading: "_Reading", changed: list[int]) -> Iterator[Place]:
    for number in changed:
        edits = reading.edits(number)
        if edits is not None:
            yield Place(number, reading.where(number, edits), reading.branch(number, edits), bool(edits))


def sabotaged(text: str, region: Region, fault: Fault, dialect: Dialect) -> str:
    """The file with the fault at every place of the region."""
    reading = _Reading(text, dialect)
    edits = {edit for number in region.numbers for edit in reading.edits(number) or ()}
    statement, value = dialect.statement(fault), dialect.before_value(fault)
    # From the end, so that places before it stay where they are; at one place, what closes comes before what opens.
    for edit in sorted(edits, key=lambda one: (one.at, one.text != CLOSES), reverse=True):
        text = text[: edit.at] + edit.text.replace(FAULT, statement).replace(VALUE, value) + text[edit.at :]
    return text


def inner_tests(text: str, dialect: Dialect) -> set[int]:
    """As `sabotage.inner_tests` says it. Empty where the text cannot be read."""
    if dialect.family != "rust":
        return set()
    try:
        source = Source(text, dialect)
    except Unreadable:
        return set()
    heads = ((source.head(one), one) for one in source.opens if source.mask[one] == "{")
    found = ((start, one) for (start, _), one in heads if _TESTS.search(source.mask, start, one))
    lines: set[int] = set()
    for start, one in found:
        begins = one - len(source.mask[start:one].lstrip())
        lines.update(range(text.count("\n", 0, begins) + 1, text.count("\n", 0, source.close[one]) + 2))
    return lines


class _Reading:
    """Where the lines of one file can be made to raise."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        self.source = Source(text, dialect)
        self.dialect = dialect
        self.mask = self.source.mask
        # By line feeds alone, as git counts lines.
        self.lines = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]

    def edits(self, number: int) -> Edits | None:
        """What makes this line raise. None: it does nothing; empty: nothing that raises can stand there."""
        found = self._found(number)
        if found is None:
            return None
        at, until, around = found
        holder = next((one for one in around if self.source.kind[one] in HOLDS_STATEMENTS), TOP)
        one = next((one for one in self.source.statements(holder) if one.start <= at < one.end), None)
        if one is None:
            return None
        head = self.source.collapsed(one.start, one.end)
        if self.dialect.nothing.match(head) or self._is_test(one):
            return None
        return self._placed(one, head, at, until, holder)

    def where(self, number: int, edits: Edits) -> str:
        """The function that the line makes raise, with what holds it; empty for none."""
        found = self._found(number)
        at = edits[0].at if edits else found[0] if found else 0
        return name_of(self.source, at, value=bool(edits) and edits[0].text == VALUE)

    def branch(self, number: int, edits: Edits) -> int:
        """The braces around the place that are run only under a condition; `TOP` where none are."""
        found = self._found(number)
        around = self.source.around(edits[0].at if edits else found[0] if found else 0)
        inner = (one for one in around if self.source.kind[one] in HOLDS_STATEMENTS)
        return next((one for one in inner if not _ALWAYS.search(self.source.head(one)[1].strip())), TOP)

    def _found(self, number: int) -> tuple[int, int, list[int]] | None:
        """The first place of a line that does something, where the line ends, and the brackets around; None: nothing does."""
        if number >= len(self.lines):
            return None
        start, until = self.lines[number - 1], self.lines[number] - 1
        first = re.compile(r"[^\s})\];,]").search(self.mask, start, until)
        if first is None:
            return None
        around = self.source.around(first.start())
        if any(_TESTS.search(self.mask, self.source.head(one)[0], one) for one in around if self.mask[one] == "{"):
            return None
        return first.start(), until, around

    def _is_test(self, one: Statement) -> bool:
        """True where the attribute is of this statement, and not of one in it."""
        body = next((group for group in self.source.groups(one) if self.mask[group] == "{"), one.end)
        return _TESTS.search(self.mask, one.start, body) is not None

    def _placed(self, one: Statement, head: str, at: int, until: int, holder: int) -> Edits | None:
        groups = [group for group in self.source.groups(one) if self.mask[group] == "{"]
        bodies = [group for group in groups if self.source.kind[group] == "code"]
        arrow = self._arrow(one, at, until)
        if arrow is not None:
            return (Edit(arrow, VALUE),)
        if self.source.kind[holder] == "arms":
            return self._arm(one, bodies)
        if self.source.kind[holder] == "switch" and re.match(r"(case|default)\b[^:]*->", head):
            return (Edit(bodies[0] + 1, f" {FAULT} "),) if bodies else ()
        if one.label:
            return (Edit(one.end, f" {FAULT} "),)
        inner = self._function_in(at, until, holder)
        if inner is not None:
            return (self._first_in(inner),)
        if self.source.kind[holder] == "members":
            return self._member(one, head, groups, holder)
        if bodies and at <= bodies[0] and self._is_function(one, head, bodies[0]):
            return (self._first_in(bodies[0]),)
        return self._in_chain(one, bodies, at) or self._unbraced(one, at) or (self._before(one),)

    def _before(self, one: Statement) -> Edit:
        """Before a statement; behind one that has to be the first of a constructor."""
        if self.dialect.family == "java" and re.compile(r"(super|this)\s*\(").match(self.mask, one.start):
            return Edit(one.end, f" {FAULT} ")
        return Edit(one.start, f"{FAULT} ")

    def _first_in(self, opened: int) -> Edit:
        """As the first statement between braces."""
        first = next(iter(self.source.statements(opened)), None) if self.dialect.family == "java" else None
        moved = None if first is None else self._before(first)
        return moved if moved is not None and first is not None and moved.at == first.end else Edit(opened + 1, f" {FAULT} ")

    def _is_function(self, one: Statement, head: str, body: int) -> bool:
        if self.dialect.function.match(head):
            return True
        return self.dialect.family == "javascript" and self.source.collapsed(one.start, body).endswith("=>")

    def _function_in(self, at: int, until: int, holder: int) -> int | None:
        """The body that opens on this line of a function that stands among values, as in an object or among arguments."""
        around = self.source.around(at)
        if not around or around[0] == holder:
            return None
        opened = (
            one for one in self.source.opens[bisect_left(self.source.opens, at) :] if self.source.parent[one] == around[0]
        )
        found = next((one for one in opened if one >= until or self.source.kind[one] == "code"), until)
        return found if found < until else None

    def _member(self, one: Statement, head: str, groups: list[int], holder: int) -> Edits | None:
        """A function's first statement; for other members a block that is run when they are made, where there is one."""
        own = next((group for group in groups if self.source.kind[group] in HOLDS_STATEMENTS), None)
        if own is not None and self.source.kind[own] == "code":
            return (self._first_in(own),)
        text = self.dialect.field.format(fault=FAULT) if self.dialect.field else ""
        if self.dialect.family != "java" or not text:
            return (Edit(one.start, text),) if text else ()
        held = self.source.head(holder)[1] if holder != TOP else ""
        no_block = _NO_BLOCKS.search(head[: head.find("{")] if own is not None else held)
        if no_block is not None:
            # What an interface declares is run where it is implemented.
            return None if no_block[1] == "interface" else ()
        if own is not None:
            return (Edit(own + 1, f" {text}"),)
        return (Edit(one.start, text if re.search(r"\bstatic\b", head) else text.removeprefix("static ")),)

    def _arm(self, one: Statement, bodies: list[int]) -> Edits:
        """The arm of a `match`: its block, or one that is put around its value."""
        arrow = self.mask.find("=>", one.start, one.end)
        value = re.compile(r"\s*").match(self.mask, arrow + 2)
        if value is None or arrow < 0:
            return ()
        if value.end() in bodies:
            return (Edit(value.end() + 1, f" {FAULT} "),)
        end = one.start + len(self.mask[one.start : one.end].rstrip(" \t\r\n,"))
        return (Edit(value.end(), f"{{ {FAULT} "), Edit(end, CLOSES))

    def _in_chain(self, one: Statement, bodies: list[int], at: int) -> Edits:
        """What follows the first block of a statement (`else`, `catch`): the start of the next one."""
        if not bodies or (at < self.source.close[bodies[0]] and not self.mask.startswith("else", at)):
            return ()
        following = next((body for body in bodies if body > at), None)
        if following is None:
            return ()
        condition = re.compile(r"else\s+(?=if\b)").match(self.mask, at)
        if condition is None:
            return (Edit(following + 1, f" {FAULT} "),)
        # The condition is what was changed, so the fault has to come before it.
        last = self.source.close[bodies[-1]] + 1
        end = one.end if "else" in self.mask[last : one.end] else last
        return (Edit(condition.end(), f"{{ {FAULT} "), Edit(end, CLOSES))

    def _unbraced(self, one: Statement, at: int) -> Edits:
        """A body without braces that begins on this line: it gets some."""
        if self.dialect.family not in ("javascript", "java"):
            return ()
        alone = re.compile(r"else\s+").match(self.mask, at)
        begins = alone.end() if alone else at
        looked = max(one.start, begins - LOOKED_BACK)
        before = self.mask[looked:begins].rstrip()
        paren = self.source.open.get(looked + len(before) - 1)
        headed = before.endswith("else") or (paren is not None and _CONDITION.search(self.mask[max(0, paren - 20) : paren]))
        if not headed or self.mask[begins : begins + 1] in ("", "{"):
            return ()
        chained = self.mask.startswith("if", begins)
        end = one.end if chained else self.source.find(";\n" if self.dialect.newlines else ";", begins, one.end)
        end += self.mask[end : end + 1] == ";"
        return (Edit(begins, f"{{ {FAULT} "), Edit(begins + len(self.mask[begins:end].rstrip()), CLOSES))

    def _arrow(self, one: Statement, at: int, until: int) -> int | None:
        """Where the value of an arrow function begins that the line belongs to; None where it belongs to none."""
        if self.dialect.family != "javascript":
            return None
        found = None
        for arrow in re.compile(r"=>\s*(?![\s{])").finditer(self.mask, max(one.start, at - LOOKED_BACK), min(one.end, until)):
            around = self.source.around(arrow.start())
            holder = next((group for group in around if self.source.kind[group] in HOLDS_STATEMENTS), TOP)
            own = self.source.around(one.start)
            if holder != (own[0] if own else TOP):
                continue
            inner = around[0] if around and around[0] >= one.start else None
            beside = self.source.around(at)
            end = self.source.find(",;", arrow.end(), one.end if inner is None else self.source.close[inner])
            if arrow.start() < at < end or (arrow.start() > at and (inner is None or beside[:1] == [inner])):
                found = arrow.end()
        return found
