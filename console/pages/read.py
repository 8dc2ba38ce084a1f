"""The bytes behind an id."""

from typing import Any

from console.pages.asked import Asked
from ledger.db import Connection
from ledger.views.contents import Contents
from ledger.views.origins import find_start


def read(connection: Connection, asked: Asked) -> dict[str, Any]:
    """The bytes behind an id, as text."""
    wanted = asked.query.get("id", "")
    if not wanted:
        return {"id": "", "kind": "", "label": "", "parts": []}
    origins, start = find_start(connection, wanted)
    found = Contents(connection, asked.files).of(start)
    parts = [{"label": one.label, "bytes": len(one.data), "text": one.data.decode(errors="replace")} for one in found.parts]
    return {"id": found.node.id, "kind": found.node.kind, "label": origins.label(start), "parts": parts}
