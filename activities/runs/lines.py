"""Texts of the feed lines of this room, in one place."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from contracts.base import digest_of
from contracts.gates import Refusal
from contracts.journal import BeginRun
from contracts.money import usd
from contracts.pins import Began
from contracts.printed import command
from contracts.runs import WHEN_WRITTEN, Note
from contracts.text import amount, one_line
from ledger.retention import Trimmed


def admitted(request: BeginRun, began: Began) -> Note:
    """The first line of a run's feed."""
    who = ", ".join(pin.label for pin in began.agents.values())
    starter = request.input.get("by")
    return Note(
        key=f"{request.run.trace}/begin",
        at=WHEN_WRITTEN,
        stage="intake",
        did=f"admitted the run for {began.owner}" + (f", started by {starter}" if starter else ""),
        why=f"agents {who}; ceiling {usd(began.ceiling_micros)}",
        next=request.next,
    )


def duplicate(request: BeginRun, holder: str) -> Note:
    """A run was not begun, because another one has its request key. Whoever started it may never look at its result."""
    start = "start it again with a request key of its own"
    return Note(
        key=f"duplicate/{request.run.trace}",
        at=WHEN_WRITTEN,
        stage="intake",
        did=f"ended {one_line(request.run.workflow_id, 200)} before its first step: a duplicate of {one_line(holder, 200)}",
        why=f"the request key {one_line(request.request_key or '', 200)!r} was used before, by {one_line(holder, 200)}",
        next=f"`{command('show', holder)}` says what that one was asked for; if it was something else, {start}",
        importance="alert",
    )


def decision_refused(refusal: Refusal) -> Note:
    """Something that a person sent was refused before it reached a gate."""
    return Note(
        key=f"refusal/{refusal.key}",
        at=refusal.at,
        stage=refusal.gate,
        actor=refusal.by or "somebody",
        channel=refusal.via,
        did=f"sent {refusal.verb} and was refused",
        why=refusal.reason,
        next="nothing changed; look again, then decide" if refusal.gate else "nothing changed",
        # Who sends an update has the reason as its answer. Others go away and believe that it counts.
        importance="alert" if refusal.unheard and refusal.gate else "detail",
    )


def unused_removed(what: str, folder: str, size: int, unused: timedelta, again: str) -> Note:
    """A worker made room on its disk: a mirror or an environment is gone."""
    now = datetime.now(UTC)
    return Note(
        key=digest_of(f"{what}-removed", folder, str(now)),
        at=WHEN_WRITTEN,
        stage="upkeep",
        actor="worker",
        did=f"removed the {what} {folder}, {size >> 20} MiB",
        why=f"no run has used it for {unused.days} days, and no open run names its repository",
        next=again,
        importance="detail",
    )


def runs_trimmed(trimmed: Sequence[Trimmed], keep: timedelta) -> Note:
    """Runs that ended long ago lost their conversations and files."""
    now, names = datetime.now(UTC), [one.run for one in trimmed]
    size = sum(one.size for one in trimmed)
    return Note(
        key=digest_of("runs-trimmed", *names, str(now)),
        at=WHEN_WRITTEN,
        stage="upkeep",
        actor="worker",
        did=f"removed the conversations and files of {amount(len(names), 'run')}, {size >> 10} KiB: {', '.join(names[:10])}",
        why=f"they ended more than {amount(keep.days, 'day')} ago, as keep_days says",
        next="what they did, decided, cost and came from stays on record",
        importance="detail",
    )


def workers_forgotten(names: Sequence[str]) -> Note:
    """Workers that will not come back are no longer listed."""
    return Note(
        key=digest_of("workers-forgotten", *sorted(names)),
        at=WHEN_WRITTEN,
        stage="upkeep",
        actor="worker",
        did=f"removed the records of {amount(len(names), 'worker')}: {', '.join(sorted(names)[:10])}",
        why="they have sent no heartbeat for a day and hold no money",
        next="nothing",
        importance="detail",
    )
