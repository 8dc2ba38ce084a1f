"""Agents: which versions runs have had, which ones the workers give to new runs, and what does not answer."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any

from console.pages.asked import Asked
from ledger.db import Connection, instant
from ledger.views import agents as views
from ledger.views import models
from ledger.views.agents import Version
from ledger.views.workers import WorkerView, workers_of

LATELY = timedelta(days=7)
"""What the figures are about."""


def agents(connection: Connection, asked: Asked) -> dict[str, Any]:
    """Each agent with its versions, the newest first, and with what the workers that work would give to a new run."""
    now = instant(connection)
    working = workers_of(connection, asked.here.settings.task_queue).working
    found = views.versions(connection, now - LATELY)
    return {
        "days": LATELY.days,
        "agents": [
            {"name": name, **_agent(name, list(every), working)} for name, every in groupby(found, lambda one: one.name)
        ],
        "unknown_to": [one.place for one in working if "live" not in one.machine],
        "wrong": [(one.place, str(said)) for one in working for said in one.machine.get("agents", ())],
        "breakers": models.noteworthy(connection),
    }


def _agent(name: str, versions: Sequence[Version], working: Sequence[WorkerView]) -> dict[str, Any]:
    live = {one.place: one.machine["live"].get(name, "") for one in working if "live" in one.machine}
    return {"name": name, "versions": versions, "live": sorted(set(live.values())), "workers": live}
