"""`baton why`: the provenance of a thing."""

from typing import TYPE_CHECKING, Annotated

import typer

from commands.context import LOOK, Json, open_ledger, settings
from commands.output import Out

if TYPE_CHECKING:
    from ledger.db import Connection
    from ledger.views.origins import Node
    from ledger.views.tree import Tree

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
    nodes = [{"id": one.node.id, "kind": one.node.kind, "label": one.label} for one in tree.nodes]
    edges = [{"child": child, "parent": parent} for child, parent in tree.edges]
    out.document(start=tree.start, nodes=nodes, edges=edges, complete=not tree.cut)
    for step in tree.steps:
        out.line(f"{step.own}{step.label}{_digits(step.node)}{'  (see above)' if step.again else ''}")
    if tree.cut:
        out.note("there is more: run `baton why` with one of these ids")


def _digits(node: "Node") -> str:
    return f"  {node.id.rpartition('/')[2][:12]}" if node.kind in {"handoff", "turn", "artifact", "action"} else ""


def _read(connection: "Connection", identity: str) -> "Tree":
    from ledger.views.origins import LIMIT, find_start
    from ledger.views.tree import Tree

    origins, start = find_start(connection, identity)
    tree = Tree(origins, LIMIT)
    tree.walk(start)
    return tree
