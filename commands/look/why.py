"""`baton why`: the provenance of a thing."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.context import LOOK, Json, open_ledger, settings
from commands.output import Out

if TYPE_CHECKING:
    from ledger.db import Connection
    from ledger.views.origins import Node, Origins

Id = Annotated[
    str,
    typer.Argument(metavar="ID", help="A run, RUN/GATE, a branch, or the id (or a prefix) of a commit, action or artifact."),
]


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=LOOK)(why)


def why(identity: Id, as_json: Json = False) -> None:
    """Show where something came from, as a tree: action, gate, handoffs, agents, models, files."""
    out = Out(as_json=as_json)
    with open_ledger(settings()) as ledger:
        tree = ledger.read_now(_read, identity)
    out.document(start=tree.start, nodes=tree.nodes, edges=tree.edges, complete=not tree.cut)
    for line in tree.lines:
        out.line(line)
    if tree.cut:
        out.note("there is more: run `baton why` with one of these ids")


class Tree:
    """Walks from one thing to its origins. A node that was printed before is only named."""

    def __init__(self, origins: "Origins", limit: int) -> None:
        self._origins, self._limit = origins, limit
        self._told: set[Node] = set()
        self.start = ""
        self.cut = False
        self.lines: list[str] = []
        self.nodes: list[dict[str, Any]] = []
        self.edges: list[dict[str, str]] = []

    def walk(self, node: "Node", own: str = "", below: str = "") -> None:
        """Print a node and its origins. `own` and `below` are the tree lines left of it."""
        known = node in self._told
        again = "  (see above)" if known and self._origins.parents(node) else ""
        label = self._origins.label(node)
        self.lines.append(f"{own}{label}{_digits(node)}{again}")
        if known:
            return
        self._told.add(node)
        self.nodes.append({"id": node.id, "kind": node.kind, "label": label})
        self.start = self.start or node.id
        parents = self._origins.parents(node)
        if len(self._told) > self._limit:
            self.cut = self.cut or bool(parents)
            return
        for number, parent in enumerate(parents, 1):
            self.edges.append({"child": node.id, "parent": parent.id})
            last = number == len(parents)
            self.walk(parent, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))


def _digits(node: "Node") -> str:
    return f"  {node.id.rpartition('/')[2][:12]}" if node.kind in {"handoff", "turn", "artifact", "action"} else ""


def _read(connection: "Connection", identity: str) -> Tree:
    from ledger.views.origins import LIMIT, find_start

    origins, start = find_start(connection, identity)
    tree = Tree(origins, LIMIT)
    tree.walk(start)
    return tree
