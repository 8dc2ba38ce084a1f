"""The runs, newest first."""

from typing import Any

from console.pages.asked import RUNS, Asked
from ledger.db import Connection
from ledger.views import runs as run_views
from ledger.views.asked import asked_of
from ledger.views.runs import Listed


def runs(connection: Connection, asked: Asked) -> dict[str, Any]:
    """The newest runs, of one project if the query names one."""
    project = asked.query.get("project") or None
    rows = run_views.recent(connection, RUNS, project)
    return {
        "runs": rows,
        "asked": [_what(row) for row in rows],
        "project": project,
        "all": run_views.count(connection, project),
    }


def _what(row: Listed) -> str:
    return asked_of(row.run.pipeline, row.run.asked).what
