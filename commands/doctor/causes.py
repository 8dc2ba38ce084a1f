"""Checks of what keeps runs waiting: one finding for each cause, however many runs wait for it."""

from typing import TYPE_CHECKING

from commands.doctor.finding import Check, Finding
from commands.doctor.record import SHOWN
from contracts.errors import BatonError
from contracts.printed import command
from contracts.text import amount

if TYPE_CHECKING:
    from config import Settings
    from ledger.db import Connection


def causes(found: "Settings") -> list[Finding]:
    """Circuit breakers that are open, and ceilings at which several runs wait, each with its runs and the one command."""
    from commands.context import open_ledger

    try:
        with open_ledger(found) as ledger:
            return ledger.read_now(_causes) or [Finding("waiting", "ok", "no breaker is open, and no runs wait for the same")]
    except BatonError:
        return []  # the check of the ledger says why


def _causes(connection: "Connection") -> list[Finding]:
    from commands.look.gates import solving
    from commands.output import clock
    from ledger.views import causes as views
    from ledger.views.gates import waiting
    from ledger.views.models import noteworthy

    shared = [one for one in views.causes(waiting(connection)) if one.names]
    findings = []
    for breaker in noteworthy(connection):
        if not breaker.is_closed and not any(breaker.name in one.names for one in shared):
            until = f" until {clock(breaker.changes_at)}" if breaker.changes_at else ""
            closing = command("models close", breaker.name, options='-m "why"')
            findings.append(Finding("waiting", "warn", f"{breaker.name} is {breaker.shown}{until}: {breaker.why}", closing))
    for one in shared:
        text = f"{', '.join(one.names)} keeps {amount(len(one.runs), 'run')} waiting: {', '.join(one.runs)}"
        findings.append(Finding("waiting", "warn", text, solving(one)))
    return findings


def actions(found: "Settings") -> list[Finding]:
    """Actions that wait for a person, that were given up, or that no worker carries out."""
    from commands.context import open_ledger

    try:
        with open_ledger(found) as ledger:
            from commands.workers import workers_of
            from ledger.views.actions import counts

            there, relays = ledger.read_now(counts), workers_of(ledger, found.task_queue).relays
    except BatonError:
        return []  # the check of the ledger says why
    findings = []
    for state, mend in (("dead", "retry or abandon"), ("unknown", "settle or retry")):
        if count := there.get(state, 0):
            text = f"{amount(count, 'action')} {'is' if count == 1 else 'are'} {state}"
            findings.append(Finding("actions", "warn", text, f"`{command('actions list')}`, then {mend}"))
    if there["left"] and not relays:
        text = f"{amount(there['left'], 'action')} left to the relay, and no worker carries out any"
        mend = "start a worker with role all or actions: `baton up`, or `python worker.py --role actions`"
        findings.append(Finding("actions", "warn", text, mend))
    return findings or [Finding("actions", "ok", "none is dead or unknown, and none waits for a worker")]


def condemned(found: "Settings") -> list[Finding]:
    """Condemnations that hold something, or that leave executed actions to settle."""
    from commands.context import open_ledger
    from commands.unsettled import line, unsettled

    try:
        with open_ledger(found) as ledger:
            there = unsettled(ledger)
    except BatonError:
        return []  # the check of the ledger says why
    findings = [
        Finding("condemned", "warn", line(one), f"`{command('condemned show', one.condemnation.id)}`") for one in there[:SHOWN]
    ]
    if more := len(there) - SHOWN if len(there) > SHOWN else 0:
        findings.append(Finding("condemned", "warn", f"{more} more are open", f"`{command('condemned list')}`"))
    return findings or [Finding("condemned", "ok", "no condemnation is open")]


CHECKS: tuple[Check, ...] = (causes, actions, condemned)
