"""Agents: which versions runs have had, which ones the workers give to new runs, and what does not answer."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from activities.agents.releases import withdraw as pass_over
from activities.gates.from_console import CHANNEL
from commands.look.agents import find_agent, load_agents
from console.pages.asked import Asked, said
from contracts.base import digest_of
from contracts.errors import Refused
from contracts.printed import shown
from contracts.runs import WHEN_WRITTEN, Note, RunRef
from ledger import feed
from ledger.db import Connection, instant
from ledger.views import agents as views
from ledger.views import models
from ledger.views.agents import Version
from ledger.views.workers import WorkerView, workers_of

LONGEST = 200
"""Most characters of a name that a form is about."""

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
    # A live one is "v2 0a1b…"; one that no run has had yet is among these alone.
    known = [one.version for one in versions] + [one.partition(" ")[0] for one in sorted(set(live.values()), reverse=True)]
    # A name that cannot be shown as it is takes the command: nobody can see what the form would be about.
    plain = [one for one in dict.fromkeys(known) if one and shown(f"{name}@{one}") == f"{name}@{one}" and len(name) <= LONGEST]
    own = {"choices": plain}
    return {"name": name, "versions": versions, "live": sorted(set(live.values())), "workers": live} | own


async def withdraw(asked: Asked, by: str, fields: Mapping[str, str]) -> None:
    """Pass a version over in the agent files of this machine, as `baton agents withdraw` does."""
    why, name, here = said(fields), fields.get("name", ""), asked.here
    if "@" not in name:
        raise Refused("name a version, such as planner@v2; nothing was done")
    live = await asyncio.to_thread(_passed_over, here.settings.agents, name, why, by)
    line = Note(
        key=digest_of("withdrawn", name, str(datetime.now(UTC))),
        at=WHEN_WRITTEN,
        stage="agents",
        actor=by,
        channel=CHANNEL,
        did=f"withdrew {name}",
        why=why,
        next=f"{live} is live for runs that start once workers are started anew; open runs keep theirs",
    )
    await here.ledger.tx(feed.append, RunRef(trace="agents", workflow_id="agents"), [line])


def _passed_over(folder: Path, name: str, why: str, by: str) -> str:
    """Withdraw it; the version that is live then. Raises `NotFound`, or `Refused` where it is withdrawn, or is the last one."""
    catalogue, _ = load_agents(folder)
    if not pass_over(folder, catalogue, find_agent(catalogue, name), why, by):
        raise Refused(f"{name} was withdrawn before; it is passed over once workers are started anew. Nothing was done")
    base = name.partition("@")[0]
    return f"{base}@{load_agents(folder)[0].newest(base).version}"
