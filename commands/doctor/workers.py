"""Checks of the workers, from what they say in the ledger: who works, with which settings, on what machine, by which clock."""

from datetime import timedelta
from typing import TYPE_CHECKING

from commands.context import open_ledger
from commands.doctor.finding import Finding
from commands.errors import NothingYet
from contracts.errors import BatonError, Misconfigured

if TYPE_CHECKING:
    from temporalio.client import Client

    from config import Settings
    from ledger.db import Ledger
    from ledger.views.workers import Workers, WorkerView

OFF = timedelta(seconds=5)
"""A worker's clock may differ from Temporal's by so much."""

START = "`baton up`, or `python worker.py` with the same settings"
SHOWN = 5


async def workers_on(client: "Client", found: "Settings") -> list[Finding]:
    """Whether the ledger belongs to this server, who works on the task queue, and what is wrong with those that do."""
    from commands.workers import nobody, other_settings, workers_of
    from connection import check_namespace

    try:
        with open_ledger(found) as ledger:
            try:
                await check_namespace(client, ledger, bind=False)
            except BatonError as error:
                return [Finding("ledger and server", "fail", str(error))]
            belongs = Finding("ledger and server", "ok", _belongs(ledger))
            problem = await nobody(client, ledger, found.task_queue)
            there = workers_of(ledger, found.task_queue)
            others = other_settings(found, ledger, there)
            mixed = await _mixed(client, ledger, found.task_queue)
    except NothingYet:
        return [await _without_a_ledger(client, found)]
    except BatonError as error:
        return [
            Finding("workers", "warn", f"who works is not known without the ledger: {error}", "see the line `ledger` above")
        ]
    if problem:
        return [belongs, Finding("workers", "fail", problem, START)]
    return [belongs, _working(there), *mixed, *_each(there, others)]


async def _mixed(client: "Client", ledger: "Ledger", queue: str) -> list[Finding]:
    """Whether workers with another ledger serve the queue beside those with this one."""
    from task_queues import check_task_queue

    try:
        await check_task_queue(client, queue, ledger)
    except Misconfigured as error:
        return [Finding("task queue", "fail", str(error))]
    return []


async def _without_a_ledger(client: "Client", found: "Settings") -> Finding:
    """Nothing has run here: whoever polls the queue has another ledger."""
    from task_queues import pollers

    there = await pollers(client, found.task_queue)
    if there:
        names = ", ".join(one.identity for one in there[:SHOWN])
        text = f"task queue {found.task_queue!r} is served by {names}, with another ledger: there is none here yet"
        return Finding("workers", "fail", text, "use the same `ledger_url` (or `state`), or another `task_queue`")
    return Finding("workers", "fail", f"no worker serves task queue {found.task_queue!r}: runs wait", START)


def _belongs(ledger: "Ledger") -> str:
    from ledger import identity

    own = ledger.read_now(identity.find)
    return f"ledger {own.ledger} belongs to {own.server or 'no server yet: the first worker decides'}"


def _working(there: "Workers") -> Finding:
    names = ", ".join(f"{one.place} ({one.about})" for one in there.working[:SHOWN])
    return Finding("workers", "ok", f"{len(there.working)} on task queue {there.task_queue!r}: {names}")


def _each(there: "Workers", others: str) -> list[Finding]:
    findings = [
        *(_machine(one, problem) for one in there.working for problem in one.machine.get("problems", ())),
        *(one for one in map(_clock, there.working) if one is not None),
    ]
    if others:
        findings.append(Finding("worker settings", "warn", others, "`baton down`, then `baton up`"))
    else:
        findings.append(Finding("worker settings", "ok", "what is set here is what the workers were started with"))
    return findings


def _machine(one: "WorkerView", problem: str) -> Finding:
    return Finding("worker machine", "fail", f"{one.place}: {problem}", "mend that, then restart the worker")


def _clock(one: "WorkerView") -> Finding | None:
    ahead = one.clock_ahead
    if ahead is None or abs(ahead) <= OFF:
        return None
    way = "ahead of" if ahead > timedelta() else "behind"
    seconds = int(abs(ahead).total_seconds())
    text = f"the clock of {one.place} is {seconds} s {way} Temporal's: times in the record are wrong"
    return Finding("worker clock", "warn", text, "synchronise its clock (NTP), then restart the worker")
