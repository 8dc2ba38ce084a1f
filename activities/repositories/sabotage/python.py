"""Changed lines of Python made to raise, by its own parser. Pure."""

import ast
from collections.abc import Iterable, Iterator, Sequence

from activities.repositories.judging import Lines
from activities.repositories.sabotage.region import Fault, Place, Region, changed_lines, grouped, unreadable

DECORATORS = 100
"""Lines that decorators may take before what they decorate."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def regions(path: str, text: str, lines: Lines) -> tuple[Region, ...]:
    """As `sabotage.regions` says it."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        # It may be right for another Python than this one.
        return unreadable(path, lines)
    functions, statements = _functions(tree), _statements(tree)
    changed = changed_lines(lines)
    branches = _branches(tree)
    found = ((number, _statement(statements, number)) for number in changed)
    places = (Place(at, _innermost(functions, at), branches.get(id(one), 0)) for at, one in found if one is not None)
    return grouped(path, places, changed)


def sabotaged(text: str, region: Region, fault: Fault) -> str:
    """The file with the fault before every changed statement of the region. Comments are lost; nobody reads it."""
    tree = ast.parse(text)
    statements = _statements(tree)
    marked = {id(one) for number in region.numbers if (one := _statement(statements, number)) is not None}
    _Insertion(marked, fault).visit(tree)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


class _Insertion(ast.NodeTransformer):
    """Puts a `raise` where a marked statement begins: in a function or class whose head is marked, as its first statement."""

    def __init__(self, marked: set[int], fault: Fault) -> None:
        self._marked = marked
        self._fault = fault

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
            node.body = [*node.body[:at], _raise(self._fault), *node.body[at:]]
        return node

    def _block(self, block: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
        for one in block:
            if id(one) in self._marked and not isinstance(one, (*_FUNCTIONS, ast.ClassDef)):
                yield _raise(self._fault)
            yield one


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _raise(fault: Fault) -> ast.stmt:
    first, second = fault.halves
    # Not an Exception: a program that answers every exception with a value would hide that it was reached.
    return ast.parse(f"if {int(fault.live)}: raise BaseException({first!r} + {second!r})").body[0]


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


def _branches(tree: ast.Module) -> dict[int, int]:
    """The branch of each statement by its identity: what runs only under a condition is a branch of its own."""
    found: dict[int, int] = {}
    waiting: list[tuple[int, ast.AST]] = [(0, tree)]
    while waiting:
        own, node = waiting.pop()
        for name, value in ast.iter_fields(node):
            children = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, ast.AST)]
            depends = isinstance(node, _CONDITIONS) and name in ("body", "orelse") and bool(children)
            branch = id(children[0]) if depends else own
            found.update({id(one): branch for one in children if isinstance(one, ast.stmt)})
            waiting += [(branch, one) for one in children]
    return found


_CONDITIONS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case)


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
