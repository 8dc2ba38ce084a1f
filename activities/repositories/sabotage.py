"""Changed lines of Python made to raise: what no longer works must be noticed by a check that is worth its green. Pure."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from activities.repositories.judging import Lines, ranges

RAISED = "changed lines made to fail, to see whether a test notices"

LINES = 2000
"""Changed lines of one file that are looked at."""

DECORATORS = 100
"""Lines that decorators may take before what they decorate."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Region:
    """Changed lines that stand together in one function, or in none (`where` empty)."""

    path: str
    numbers: tuple[int, ...]
    where: str = ""

    @property
    def lines(self) -> str:
        """As a person writes them."""
        return ranges(self.numbers)


def regions(path: str, text: str, lines: Lines) -> tuple[Region, ...]:
    """The changed lines that do something, by function and by what stands together. None where the file cannot be read.

    Comments, empty lines and texts that only document do nothing. What was only taken out counts at the line before it.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    functions, statements = _functions(tree), _statements(tree)
    changed = sorted({number for number, _ in lines.added} | {max(1, gap) for gap in lines.gaps})[:LINES]
    found: list[Region] = []
    for number in changed:
        if _statement(statements, number) is None:
            continue
        where = _innermost(functions, number)
        last = found[-1] if found else None
        if last is not None and last.where == where and _together(last.numbers[-1], number, changed):
            found[-1] = Region(path, (*last.numbers, number), where)
        else:
            found.append(Region(path, (number,), where))
    return tuple(found)


def sabotaged(text: str, region: Region) -> str:
    """The file with a `raise` before every changed statement of the region. Comments are lost; nobody reads it."""
    tree = ast.parse(text)
    statements = _statements(tree)
    marked = {id(one) for number in region.numbers if (one := _statement(statements, number)) is not None}
    _Insertion(marked).visit(tree)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


class _Insertion(ast.NodeTransformer):
    """Puts a `raise` where a marked statement begins: in a function or class whose head is marked, as its first statement."""

    def __init__(self, marked: set[int]) -> None:
        self._marked = marked

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Every block of statements of the node, and those within."""
        super().generic_visit(node)
        # Blocks of `except` and `case` are nodes of their own with a body, so they need no name here.
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                setattr(node, name, list(self._block(block)))
        if id(node) in self._marked and isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            # After the docstring: else code that reads `__doc__` would fail, and not because the line is reached.
            at = 1 if _documents(node.body[0]) else 0
            node.body = [*node.body[:at], _raise(), *node.body[at:]]
        return node

    def _block(self, block: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
        for one in block:
            if id(one) in self._marked and not isinstance(one, (*_FUNCTIONS, ast.ClassDef)):
                yield _raise()
            yield one


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _raise() -> ast.stmt:
    # Not an Exception: a program that answers every exception with a value would hide that it was reached.
    return ast.parse(f"raise BaseException({RAISED!r})").body[0]


def _statements(tree: ast.Module) -> list[ast.stmt]:
    return [one for one in ast.walk(tree) if isinstance(one, ast.stmt)]


def _statement(statements: list[ast.stmt], number: int) -> ast.stmt | None:
    """The statement that begins on this line, the outermost of several; else the innermost that the line belongs to.

    None where the line does nothing.
    """
    around = [one for one in statements if one.lineno - number <= DECORATORS and _first(one) <= number <= _last(one)]
    begins = [one for one in around if _first(one) == number]
    found = min(begins, key=_inner) if begins else max(around, key=_inner, default=None)
    # Nothing may stand before a future import: the file would not compile, which any check would notice.
    if found is None or _documents(found) or isinstance(found, ast.Global | ast.Nonlocal) or _from_future(found):
        return None
    body = getattr(found, "body", None)
    # An empty line or a comment between the statements of a block does nothing; the head of a block does.
    inside = isinstance(body, list) and body and not begins and number >= _first(body[0])
    return None if inside else found


def _last(one: ast.stmt) -> int:
    return one.end_lineno or one.lineno


def _inner(one: ast.stmt) -> tuple[int, int]:
    """Greater for a statement within another one."""
    return _first(one), -_last(one)


def _first(one: ast.stmt) -> int:
    decorators: Iterable[ast.expr] = getattr(one, "decorator_list", ())
    return min([one.lineno, *(each.lineno for each in decorators)])


def _documents(one: ast.stmt) -> bool:
    return isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)


def _from_future(one: ast.stmt) -> bool:
    return isinstance(one, ast.ImportFrom) and one.module == "__future__"


def _functions(tree: ast.Module) -> list[tuple[str, Function]]:
    found: list[tuple[str, Function]] = []
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        prefix, node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            name = f"{prefix}{child.name}" if isinstance(child, (*_FUNCTIONS, ast.ClassDef)) else ""
            if isinstance(child, _FUNCTIONS):
                found.append((name, child))
            waiting.append((f"{name}." if name else prefix, child))
    return found


def _innermost(functions: list[tuple[str, Function]], number: int) -> str:
    around = [(one.lineno, name) for name, one in functions if _first(one) <= number <= (one.end_lineno or 0)]
    return max(around)[1] if around else ""


def _together(before: int, number: int, changed: Sequence[int]) -> bool:
    """True where every line between the two was changed, too: comments and empty lines of one addition do not part it."""
    return changed.index(number) - changed.index(before) == number - before
