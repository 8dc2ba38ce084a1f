"""Regular expressions that can take exponential or quadratic time on a text that nearly fits. Pure; no pattern is ever run.

A repeat is slow where the same text can be cut in several ways and something after it can fail: every way is then tried.
"""

import ast
import importlib
import io
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from activities.scanning.difference import ChangedFile
from activities.scanning.patterns import finding
from contracts.findings import Severity, Suggested

SLOW: Mapping[str, tuple[Severity, int, str]] = {
    "exponential": ("medium", 700, "exponential"),
    "quadratic": ("medium", 500, "quadratic"),
    "overlapping": ("low", 400, "quadratic"),
}
"""What a pattern can be, the worst first: how bad, how sure, and in which time it runs. `overlapping`: two repeats with
something between that the first can take as well, which is common and seldom matters."""

LONGEST, ALL, AHEAD = 2000, 50_000, 20
"""Characters of a pattern that is looked at, and of all of one file; and how far ahead of a repeat another one is looked for.

Who writes a change writes its patterns, and must not keep the worker busy.
"""

FUNCTIONS = ("compile", "match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer")
ALPHABET = frozenset(map(chr, range(128))) | frozenset("éß٣中\u2003")
"""Characters by which it is seen whether two classes overlap: ASCII, and one of each further kind."""

# The standard library's own parser, so that no pattern is read in another way than it runs; it has no public name.
_PARSER: Any = importlib.import_module("re._parser")
_CONSTANTS: Any = importlib.import_module("re._constants")
_KINDS = {"DIGIT": str.isdigit, "SPACE": str.isspace, "WORD": lambda one: one.isalnum() or one == "_"}
_BROKEN = (tokenize.TokenError, SyntaxError, ValueError, OverflowError, RecursionError)
_ANCHORS = ("AT", "ASSERT", "ASSERT_NOT", "GROUPREF", "GROUPREF_EXISTS")

Node = tuple[Any, Any]


@dataclass
class _Looked:
    """What a pattern came to."""

    flags: int
    speeds: set[str] = field(default_factory=set)


def slow(pattern: str, *, whole: bool = False) -> str:
    """The first of `SLOW` that holds of a pattern; "" for none, or if it cannot be read. `whole`: it has to fit the end."""
    if len(pattern) > LONGEST:
        return ""
    try:
        parsed = _PARSER.parse(pattern)
        looked = _Looked(parsed.state.flags)
        _look(_flat(parsed), looked, after=whole)
    except Exception as error:
        # The parser's own error has no name that is public in every version; it says that this is no pattern.
        if isinstance(error, (*_BROKEN, MemoryError)) or type(error).__name__ in ("error", "PatternError"):
            return ""
        raise
    return next((one for one in SLOW if one in looked.speeds), "")


def _look(nodes: Sequence[Node], looked: _Looked, *, after: bool) -> None:
    """Look at a sequence; `after`: whether something behind it can fail."""
    ends = _can_fail(nodes, after=after)
    for at, (kind, value) in enumerate(nodes):
        fails = ends[at]
        for body in _bodies((kind, value)):
            repeated = _endless((kind, value))
            _look(body, looked, after=fails or (repeated and bool(_firsts(body, looked))))
            overlaps = bool(_tails(body, looked) & _firsts(body, looked)) or _branches_overlap(body, looked)
            if repeated and fails and overlaps:
                looked.speeds.add("exponential")
        if fails and _endless((kind, value)):
            looked.speeds.add(_overlaps_next(nodes, at, ends, looked))


def _can_fail(nodes: Sequence[Node], *, after: bool) -> list[bool]:
    """Of each node, whether what comes after it can fail."""
    found = [after]
    for node in reversed(nodes[1:]):
        found.append(found[-1] or not _nullable(node) or _name(node) in _ANCHORS)
    return found[::-1]


def _overlaps_next(nodes: Sequence[Node], at: int, ends: Sequence[bool], looked: _Looked) -> str:
    """How an endless repeat that comes after the one at `at` can take what that takes, and may then have to give it back."""
    mine, speed = _tails([nodes[at]], looked), "quadratic"
    for number in range(at + 1, min(at + AHEAD, len(nodes))):
        if ends[number] and _endless(nodes[number]) and mine & _leads([nodes[number]], looked):
            return speed
        if not _nullable(nodes[number]):
            if not _chars(nodes[number], looked) & mine:
                return ""
            speed = "overlapping"
    return ""


def _name(node: Node) -> str:
    return str(node[0])


def _endless(node: Node) -> bool:
    return _name(node) in ("MAX_REPEAT", "MIN_REPEAT") and node[1][1] == _CONSTANTS.MAXREPEAT


def _bodies(node: Node) -> list[list[Node]]:
    """The sequences within a node."""
    name, value = _name(node), node[1]
    if name in ("MAX_REPEAT", "MIN_REPEAT"):
        return [_flat(value[2])]
    if name == "BRANCH":
        return [_flat(one) for one in value[1]]
    return []


def _flat(nodes: Iterable[Node]) -> list[Node]:
    """The sequence with what is in groups in their place."""
    found: list[Node] = []
    for node in nodes:
        found += _flat(node[1][-1]) if _name(node) == "SUBPATTERN" else [node]
    return found


def _nullable(node: Node) -> bool:
    name = _name(node)
    if name in _ANCHORS:
        return True
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT") and node[1][0] == 0:
        return True
    bodies = _bodies(node)
    return bool(bodies) and any(all(map(_nullable, body)) for body in bodies)


def _firsts(nodes: Sequence[Node], looked: _Looked) -> frozenset[str]:
    """With what a text of the sequence can begin."""
    found: frozenset[str] = frozenset()
    for node in nodes:
        found |= _chars(node, looked)
        for body in _bodies(node):
            found |= _firsts(body, looked)
        if not _nullable(node):
            break
    return found


def _tails(nodes: Sequence[Node], looked: _Looked) -> frozenset[str]:
    """What endless repeats at the end of the sequence take."""
    found: frozenset[str] = frozenset()
    for node in reversed(nodes):
        for body in _bodies(node):
            if _endless(node) and len(body) == 1:
                found |= _chars(body[0], looked)
            found |= _tails(body, looked)
        if not _nullable(node):
            break
    return found


def _leads(nodes: Sequence[Node], looked: _Looked) -> frozenset[str]:
    """What an endless repeat of one class takes."""
    bodies = [body for node in nodes if _endless(node) for body in _bodies(node) if len(body) == 1]
    return frozenset().union(*(_chars(body[0], looked) for body in bodies))


def _branches_overlap(body: Sequence[Node], looked: _Looked) -> bool:
    """Whether what one alternative of a repeat takes can be taken by others, one character at a time."""
    if len(body) != 1 or _name(body[0]) != "BRANCH":
        return False
    branches = _bodies(body[0])
    single = [_chars(one[0], looked) if len(one) == 1 else frozenset() for one in branches]
    for at, one in enumerate(branches):
        others = frozenset().union(*(chars for number, chars in enumerate(single) if number != at))
        if one and all(_chars(node, looked) & others for node in one):
            return True
    return False


def _chars(node: Node, looked: _Looked) -> frozenset[str]:
    """The characters of the alphabet that a node of one character takes; none for any other node."""
    name, value = _name(node), node[1]
    if name == "LITERAL":
        return _cased({chr(value)}, looked)
    if name == "NOT_LITERAL":
        return ALPHABET - _cased({chr(value)}, looked)
    if name == "ANY":
        return ALPHABET if looked.flags & 16 else ALPHABET - {"\n"}
    if name != "IN":
        return frozenset()
    taken = frozenset().union(*(_of_class(one, looked) for one in value))
    return ALPHABET - taken if _name(value[0]) == "NEGATE" else taken


def _of_class(node: Node, looked: _Looked) -> frozenset[str]:
    name, value = _name(node), node[1]
    if name == "LITERAL":
        return _cased({chr(value)}, looked)
    if name == "RANGE":
        return _cased({one for one in ALPHABET if value[0] <= ord(one) <= value[1]}, looked)
    if name == "CATEGORY":
        kind = str(value).removeprefix("CATEGORY_")
        taken = frozenset(filter(_KINDS[kind.removeprefix("NOT_")], ALPHABET))
        return ALPHABET - taken if kind.startswith("NOT_") else taken
    return frozenset()


def _cased(chars: set[str], looked: _Looked) -> frozenset[str]:
    return frozenset({*chars, *(one.swapcase() for one in chars)} if looked.flags & 2 else chars)


def patterns_in(text: str) -> Iterator[tuple[int, int, str, str]]:
    """First and last line, function and pattern of each call with a pattern written out: `re.compile(r"…")`."""
    before: list[tokenize.TokenInfo] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in (tokenize.NL, tokenize.COMMENT, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
                continue
            if token.type == tokenize.STRING:
                before.append(token)
                continue
            strings = [one for one in before if one.type == tokenize.STRING]
            if strings and (function := _called(before)):
                parts = [ast.literal_eval(one.string) for one in strings]
                if token.string in (",", ")"):
                    whole = "".join(one if isinstance(one, str) else one.decode("latin-1") for one in parts)
                    yield strings[0].start[0], strings[-1].end[0], function, whole
            before = [*(one for one in before if one.type != tokenize.STRING), token][-2:]
    except _BROKEN:
        return


def _called(before: Sequence[tokenize.TokenInfo]) -> str:
    names = [one for one in before if one.type != tokenize.STRING]
    there = len(names) == 2 and names[1].string == "(" and names[0].string in FUNCTIONS
    return names[0].string if there else ""


def slow_patterns(file: ChangedFile, text: str) -> Iterator[Suggested]:
    """Patterns on added lines that take more than linear time on a text that nearly fits."""
    known = frozenset() if file.new else frozenset(one[-1] for one in patterns_in(file.before(text)))
    looked_at = 0
    for first, last, function, pattern in patterns_in(text):
        added = [number for number in range(first, last + 1) if number in file.added]
        if not added or pattern in known:
            continue
        looked_at += len(pattern)
        speed = slow(pattern, whole=function == "fullmatch") if looked_at <= ALL else ""
        if speed:
            severity, sure, time = SLOW[speed]
            # Of a pattern over several lines the one with the most repeats, which is what a reader looks for.
            worst = max(added, key=lambda number: sum(map(file.added[number].count, "*+")))
            yield finding(
                file,
                worst,
                (severity, sure),
                f"regex-{speed}",
                f"This regular expression can take {time} time.",
                "The same text fits its repeats in several ways. Where what follows does not fit, every way is tried: "
                "whoever chooses the text can keep a processor busy.",
                "Make repeats that follow each other, or stand within each other, begin with what the others cannot take.",
            )
