"""Who works on what a command is about: the ledger's heartbeats say it, and Temporal who else polls the task queue."""

import asyncio
import socket
from datetime import timedelta
from typing import TYPE_CHECKING

from commands.output import Out

if TYPE_CHECKING:
    from temporalio.client import Client

    from config import Settings
    from ledger.db import Ledger
    from ledger.views.workers import Workers


GRACE = timedelta(seconds=1)
"""A heartbeat that is later than this is overdue."""


def workers_of(ledger: "Ledger", task_queue: str) -> "Workers":
    """The workers that serve this task queue with this ledger, as their heartbeats tell."""
    from ledger.views import workers

    # Not Temporal's list of pollers: it shows one that was killed for minutes.
    return ledger.read_now(workers.workers_of, task_queue)


async def nobody(client: "Client", ledger: "Ledger", task_queue: str) -> str:
    """Why nobody works on this queue, and what to do; "" if a worker does. One that has another ledger is named.

    If a heartbeat is overdue, it waits until that has come, or is missed: a few seconds at most.
    """
    from ledger.workers import BEAT
    from task_queues import strangers

    while working := workers_of(ledger, task_queue).working:
        if min(one.silent for one in working) <= BEAT + GRACE:
            return ""
        await asyncio.sleep(0.2)
    problem = workers_of(ledger, task_queue).problem
    others = await strangers(client, task_queue, ledger)
    if others:
        return f"{problem}; {others}"
    return f"{problem}. Start one: `baton up`, or `python worker.py` with the same settings"


def other_settings(found: "Settings", ledger: "Ledger", there: "Workers") -> str:
    """Which settings are set here to something else than the running workers were started with; "" if none.

    Only what somebody has set here counts: a machine that only sends commands need not have what the workers have.
    """
    import setting_digests
    from ledger import identity

    own = ledger.read_now(identity.find).ledger
    here, plain = setting_digests.digests(found, own), setting_digests.shipped_digests(own)
    said = []
    for one in there.working:
        # Files are compared on one machine only: elsewhere they may be another release's, and do not matter.
        files = () if one.host != socket.gethostname() else tuple(f"BATON_{name.upper()}" for name in setting_digests.EDITED)
        names = [
            name
            for name, digest in here.items()
            if name in one.settings and digest != one.settings[name] and (digest != plain[name] or name in files)
        ]
        if names:
            said.append(f"the running worker {one.place} was started with other settings: {', '.join(names)}; restart it")
    return "; ".join(said)


def machine_problems(there: "Workers") -> str:
    """What the running workers found missing on their machines when they started; "" if nothing."""
    return "; ".join(f"{one.place}: {problem}" for one in there.working for problem in one.machine.get("problems", ()))


def tell_if_nobody_works(out: Out, there: "Workers") -> None:
    """A note that nothing goes on, where no worker works."""
    if there.problem:
        out.note(f"warning: {there.problem}; nothing goes on until one starts (`baton up`, or `python worker.py`)")


def as_json(there: "Workers") -> dict[str, object]:
    """What a document says about the workers."""
    return {"task_queue": there.task_queue, "working": [one.place for one in there.working], "problem": there.problem}
