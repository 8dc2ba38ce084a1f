"""Tool calls that repeat the one before them."""

from typing import Any

from sqlalchemy import Connection, Row

from contracts.turns import RunTool
from ledger import turns


def same_effect(connection: Connection, request: RunTool, name: str, digest: str) -> Row[Any] | None:
    """The call that made the current state, if this one repeats it with nothing in between."""
    chain = turns.chain(connection, request.turn)
    results = turns.results(connection, [row.id for row in chain])
    effects = [row for turn in chain for row in results[turn.id] if row.effect != "none" and not row.failed]
    last = effects[-1] if effects else None
    state = "" if request.workspace is None else request.workspace.state or ""
    if last is None or last.state_after != state:
        return None
    return last if (last.name, last.arguments_digest) == (name, digest) else None
