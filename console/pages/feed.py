"""The feed."""

from dataclasses import dataclass
from typing import Any

from console.pages.asked import Asked, number
from contracts.runs import FeedLine
from ledger.db import Connection
from ledger.views.feed import Filter, newest
from ledger.views.runs import find_run, names_of

LINES = 100
"""Feed lines on a page."""


FILTERS = ("run", "project", "agent", "stage", "find", "at", "alerts", "overview")
"""What the feed's address may ask for."""


@dataclass(frozen=True)
class Told:
    """A feed line, with what names its run."""

    run: str
    line: FeedLine


def lines(connection: Connection, asked: Asked) -> dict[str, Any]:
    """The newest lines of the feed, or those before a number, newest first; those that the query asks for."""
    query, before, at = asked.query, number(asked.query, "before"), number(asked.query, "at")
    named, overview = query.get("run") or None, query.get("overview") == "1"
    wanted = Filter(
        trace=None if named is None else find_run(connection, named).trace,
        project=query.get("project") or None,
        agent=query.get("agent", ""),
        stage=query.get("stage", ""),
        alerts=query.get("alerts") == "1",
        text=query.get("find", ""),
        until=at or 0,
    )
    found = newest(connection, wanted, LINES, before=before, details=not overview)
    names = names_of(connection, list({line.trace for line in found}))
    return {
        "lines": [Told(names.get(line.trace, line.run or line.trace), line) for line in found],
        "asked": {name: query[name] for name in FILTERS if query.get(name)},
        "earlier": found[-1].seq if len(found) == LINES else None,
    }
