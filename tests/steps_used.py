"""Where code asks an agent and does not say what happens if it is not done: read from the source, for the house test."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

ROUTED = {"needed", "or_else", "as_far", "ended"}
"""What a step is asked for by those who say what happens otherwise."""

AROUND = {"body", "result"}
"""What a handoff has that has to be had from the step."""

ASK, TOGETHER = "ask", "side_by_side"


def problems(sources: dict[str, str]) -> list[str]:
    """Each misuse in these files (name to text), as `FILE:LINE: what`.

    Functions are known by their names: over all files, and those that begin with `_` within their own.
    """
    trees = {name: ast.parse(text) for name, text in sources.items()}
    known = {name: {one.name for one in _functions(tree) if _gives_a_step(one)} for name, tree in trees.items()}
    everywhere = {one for names in known.values() for one in names if not one.startswith("_")} | {ASK, TOGETHER}
    found = []
    for name, tree in trees.items():
        givers = everywhere | known[name]
        helpers = {one.name: one for one in _functions(tree)}
        for function in _functions(tree):
            found += [f"{name}:{line}: {what}" for line, what in _in(_Scope(function, givers, helpers))]
    return found


@dataclass(frozen=True)
class _Scope:
    """One function, the names of all functions that give a step back, and the functions beside it in its file."""

    function: Function
    givers: set[str]
    helpers: dict[str, Function]


def _in(scope: _Scope) -> Iterator[tuple[int, str]]:
    parents = {child: node for node in ast.walk(scope.function) for child in ast.iter_child_nodes(node)}
    for node in _own(scope.function):
        if isinstance(node, ast.Call) and _called(node) in scope.givers and not _is_routed(node, parents, scope):
            yield node.lineno, f"nothing says what happens where the step of {_called(node)}(…) is not done"
    handoffs = {one.targets[0].id for one in _own(scope.function) if _keeps_handoff(one)}  # type: ignore[attr-defined]
    for node in _own(scope.function):
        if isinstance(node, ast.Attribute) and node.attr in AROUND and _is_handoff(node.value, handoffs):
            yield node.lineno, f"`{ast.unparse(node)}` goes around the step's outcome"


def _is_routed(call: ast.Call, parents: dict[ast.AST, ast.AST], scope: _Scope) -> bool:
    """True if what the call gives is routed where it stands, under its name, by whom it is given to, or by the callers."""
    node, above = call, parents.get(call)
    if isinstance(above, ast.keyword):
        above = parents.get(above)
    if isinstance(above, ast.Call) and _called(above) == TOGETHER:
        return True  # that gives them back
    value: ast.expr = node
    if isinstance(above, ast.Await):
        value, above = above, parents.get(above)
    if isinstance(above, ast.Attribute):
        return above.attr in ROUTED
    if isinstance(above, ast.Return):
        return _gives_a_step(scope.function)
    if isinstance(above, ast.Assign | ast.AnnAssign | ast.NamedExpr) and above.value is value:
        target = above.targets[0] if isinstance(above, ast.Assign) else above.target
        return isinstance(target, ast.Name) and _routes(scope.function, target.id, scope)
    return False


def _routes(function: Function, name: str, scope: _Scope, seen: frozenset[str] = frozenset()) -> bool:
    """True if the function routes what it has under this name, returns it, or hands it to one beside it that does."""
    names = _taken_from(function, name)
    for node in _own(function):
        if isinstance(node, ast.Attribute) and node.attr in ROUTED and _root(node.value) in names:
            return True
        if isinstance(node, ast.Return) and node.value is not None and _root(node.value) == name and _gives_a_step(function):
            return True
        helper = scope.helpers.get(_called(node)) if isinstance(node, ast.Call) else None
        if isinstance(node, ast.Call) and helper is not None and helper.name not in seen:
            for given in _parameters(helper, node, names):
                if _routes(helper, given, scope, seen | {helper.name}):
                    return True
    return False


def _taken_from(function: Function, name: str) -> set[str]:
    """The name, and those of single steps that are taken out of it: `bugs = steps["bugs"]`, `for one in steps.values()`."""
    names = {name}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript) and _root(node.value) == name:
            names |= {one.id for one in ast.walk(node.targets[0]) if isinstance(one, ast.Name)}
        if isinstance(node, ast.For | ast.comprehension) and _root(node.iter) == name:
            names |= {one.id for one in ast.walk(node.target) if isinstance(one, ast.Name)}
    return names


def _parameters(helper: Function, call: ast.Call, names: set[str]) -> Iterator[str]:
    """The parameters under which a function gets what the caller has under one of these names."""
    takes = [one.arg for one in helper.args.args if one.arg != "self"]
    given = [*zip(takes, call.args, strict=False), *((one.arg or "", one.value) for one in call.keywords)]
    yield from (parameter for parameter, value in given if isinstance(value, ast.Name) and value.id in names)


def _own(function: Function) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions in it, which are looked at by themselves."""
    waiting: list[ast.AST] = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, Function):
            waiting += ast.iter_child_nodes(node)


def _functions(tree: ast.AST) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def _gives_a_step(function: Function) -> bool:
    return function.returns is not None and ast.unparse(function.returns).strip("'\"").startswith(("Step[", "dict[str, Step["))


def _called(call: ast.Call) -> str:
    """`ask` of `ask(…)` and of `self.ask(…)`."""
    return call.func.id if isinstance(call.func, ast.Name) else call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _root(node: ast.expr) -> str:
    """`steps` of `steps`, `steps["bugs"]` and `steps.values()`."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Subscript | ast.Attribute):
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            return ""
    return node.id


def _is_handoff(node: ast.expr, kept: set[str]) -> bool:
    """True for `step.handoff`, and a name that it was put under. A class's own field `handoff` is no step's."""
    if isinstance(node, ast.Name):
        return node.id in kept
    return isinstance(node, ast.Attribute) and node.attr == "handoff" and ast.unparse(node.value) != "self"


def _keeps_handoff(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _is_handoff(node.value, set())
