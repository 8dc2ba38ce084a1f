"""From an effect back to its run: which action made a commit, a branch or a tree, or has a key."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from contracts.actions import GitPush, Receipt
from contracts.errors import Ambiguous
from ledger.tables import action, artifact
from ledger.views.gates import as_contract
from ledger.views.runs import SHORTEST

LOOKED_THROUGH = 20_000
"""Newest actions that are searched."""


@dataclass(frozen=True)
class Effect:
    """An action that a name leads to: its key, commit, tree or branch, as `what` says; a beginning of it unless `exact`."""

    key: str
    trace: str
    what: str
    exact: bool


def effect_named(connection: Connection, name: str) -> Effect | None:
    """The action that a person means by the id of a commit, tree or action, or a branch; None if there is none.

    Of several that match exactly the newest counts, such as of the pushes to one branch. Raises `Ambiguous` where a beginning
    fits several actions.
    """
    found = effects_named(connection, name)
    exact = [one for one in found if one.exact]
    if len(name) < SHORTEST:
        return next(iter(exact), None)
    if exact or len({one.key for one in found}) <= 1:
        return next(iter(exact or found), None)
    listed = ", ".join(f"{one.key[:16]} (by its {one.what})" for one in found[:8])
    raise Ambiguous(f"several actions have an id that begins with {name!r}: {listed}. Type more of it")


def effects_named(connection: Connection, name: str) -> list[Effect]:
    """Actions with this key, commit, tree, reference or a beginning of one, or with exactly this branch; the newest first."""
    query = (
        select(action.c.key, action.c.trace, action.c.receipt, artifact.c.body)
        .outerjoin(artifact, artifact.c.sha256 == action.c.arguments)
        .order_by(action.c.updated_at.desc())
        .limit(LOOKED_THROUGH)
    )
    found = []
    for row in connection.execute(query):
        push = as_contract(GitPush, bytes(row.body)) if row.body is not None else None
        receipt = as_contract(Receipt, row.receipt.encode()) if row.receipt else None
        reference = receipt.reference if receipt else ""
        named = "commit" if push is not None and receipt is not None and receipt.how != "person" else "reference"
        ids = {"action": row.key, "tree": push.tree if push else "", named: reference}
        what = next((what for what, identity in ids.items() if identity.lower().startswith(name.lower())), "")
        if push is not None and name.removeprefix("refs/heads/") == push.branch:
            found.append(Effect(row.key, row.trace, "branch", exact=True))
        elif what:
            found.append(Effect(row.key, row.trace, what, exact=ids[what].lower() == name.lower()))
    return found
