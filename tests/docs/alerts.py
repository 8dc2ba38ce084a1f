"""The alerts that the code writes, read from the code: the key of each feed line of importance `alert`."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from contracts.runbooks import ALERTS, alert_of
from tests.docs.pages import ROOT

WRITE = ("ledger", "activities", "workflows", "commands")
"""The packages that write feed lines."""

PASSED_ON = {
    "activities/turns/health.py": "it chooses the importance of `lines.breaker_opened`, whose key has its own test below",
    "workflows/kit/run.py": "`note` itself, which marks the key with the kind",
    "activities/logfiles/records.py": "a level in other people's logs",
}
"""Where "alert" stands alone, and why that is no line without a key."""


@dataclass(frozen=True)
class Written:
    """An alert in the code: the key of its line with a stand-in for each value, or the kind that workflow code names."""

    where: str
    key: str = ""
    kind: str = ""

    @property
    def problem(self) -> str:
        """Why nobody would find its runbook; "" where all is well."""
        if self.kind:
            return (
                "" if ALERTS.get(self.kind) == "" else f"{self.where}: {self.kind!r} is no kind of alert that a workflow names"
            )  # type: ignore[call-overload]  # a kind that is none fails here
        if not self.key:
            return f"{self.where}: an alert without a key; in workflows name its kind: `note(…, alert=KIND)`"
        known = alert_of(self.key) != "other_alert"
        return "" if known else f"{self.where}: contracts/runbooks.py has no kind of alert for keys such as {self.key!r}"


def written() -> list[Written]:
    """Every alert of the code."""
    paths = (path for package in WRITE for path in sorted((ROOT / package).rglob("*.py")))
    return [one for path in paths for one in alerts_in(path.relative_to(ROOT).as_posix(), path.read_text())]


def alerts_in(name: str, text: str) -> Iterator[Written]:
    """The alerts of one module."""
    if "alert" not in text:
        return
    tree = ast.parse(text)
    counted: set[ast.AST] = {node for one in ast.walk(tree) if isinstance(one, ast.Compare) for node in ast.walk(one)}
    counted |= {node for one in ast.walk(tree) if isinstance(one, ast.Subscript) for node in ast.walk(one)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        named = {one.arg: one.value for one in call.keywords}
        where = f"{name}:{call.lineno}"
        if isinstance(kind := named.get("alert"), ast.Constant) and isinstance(kind.value, str):
            yield Written(where, kind=kind.value)
        if name not in PASSED_ON and "importance" in named and _says(named["importance"]):
            counted |= set(ast.walk(named["importance"]))
            yield Written(where, key=_key(call, named))
    alone = [
        node for node in ast.walk(tree) if node not in counted and isinstance(node, ast.Constant) and node.value == "alert"
    ]
    if name not in PASSED_ON:
        yield from (Written(f"{name}:{node.lineno}") for node in alone)


def _says(value: ast.expr) -> bool:
    return any(isinstance(node, ast.Constant) and node.value == "alert" for node in ast.walk(value))


def _key(call: ast.Call, named: dict[str | None, ast.expr]) -> str:
    """The key as the code writes it: the keyword, or the first argument that is put together."""
    given = named.get("key") or next((one for one in call.args if isinstance(one, ast.JoinedStr)), None)
    return "".join(map(_sample, given.values)) if isinstance(given, ast.JoinedStr) else ""


def _sample(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    denied = isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.UnaryOp)
    return "False" if denied else "1"
