"""Who works: the workers that this ledger hears from, by their heartbeats."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from ledger.db import from_us, server_us
from ledger.tables import worker
from ledger.workers import ANSWERS

LISTED = 50
"""Most workers that are read: those heard of last."""


@dataclass(frozen=True)
class WorkerView:
    """One worker. `silent` is the time since its last heartbeat, `stopped` True if it ended as it was asked to.

    Where `silent` is negative that heartbeat is of a clock that was ahead.

    `settings` are digests by name, `machine` is what was found at its start; both are empty for a worker of an older release.
    `clock_ahead` is how far its clock is ahead of Temporal's; None: not measured.
    """

    name: str
    about: str
    task_queue: str
    host: str
    started_at: datetime
    seen_at: datetime
    silent: timedelta
    stopped: bool
    settings: dict[str, str]
    machine: dict[str, Any]
    clock_ahead: timedelta | None

    @property
    def works(self) -> bool:
        """True while it sends heartbeats."""
        return not self.stopped and abs(self.silent) <= ANSWERS

    @property
    def role(self) -> str:
        """What it does: `all`, `runs` or `actions`; "" for a worker of a release without roles, which has no relay."""
        return str(self.machine.get("role", ""))

    @property
    def place(self) -> str:
        """Its host and process id."""
        return ":".join(self.name.split(":")[:2])


@dataclass(frozen=True)
class Workers:
    """The workers of one task queue: those that take its tasks, and the one of the others that was heard of last.

    `relays` are those that carry out what is left to the relay, which may be the same.
    """

    task_queue: str
    working: tuple[WorkerView, ...]
    last: WorkerView | None
    relays: tuple[WorkerView, ...] = ()

    @property
    def problem(self) -> str:
        """Why nothing goes on, in one sentence; "" if a worker works."""
        if self.working:
            return ""
        if self.last is None:
            return f"no worker has ever served task queue {self.task_queue!r} with this ledger"
        gone = "stopped" if self.last.stopped else "was heard of last"
        when = f"{_ago(self.last.silent)} ago"
        if self.last.silent < timedelta():
            when = f"while its clock was {_ago(-self.last.silent)} ahead"
        return f"no worker answers on task queue {self.task_queue!r}: {self.last.place} {gone} {when}"


def workers_of(connection: Connection, task_queue: str) -> Workers:
    """The workers that serve this task queue with this ledger."""
    now = server_us(connection)
    # Workers of older releases do not say which queue they serve.
    mine = select(worker).where(worker.c.task_queue.in_((task_queue, "")))
    rows = connection.execute(mine.order_by(worker.c.seen_at.desc()).limit(LISTED))
    found = [_view(row, now) for row in rows]
    relays = tuple(one for one in found if one.works and one.role in ("all", "actions"))
    serving = [one for one in found if one.role != "actions"]
    working = tuple(one for one in serving if one.works)
    return Workers(task_queue, working, next((one for one in serving if not one.works), None), relays)


def _view(row: Row[Any], now: int) -> WorkerView:
    ahead = row.clock_ahead
    # A worker that has stopped is silent since then.
    silent = now - (row.stopped_at if row.stopped_at is not None else row.seen_at)
    return WorkerView(
        name=row.id,
        about=row.about,
        task_queue=row.task_queue,
        host=row.host,
        started_at=from_us(row.started_at),
        seen_at=from_us(row.seen_at),
        silent=timedelta(microseconds=silent),
        stopped=row.stopped_at is not None,
        settings=json.loads(row.settings),
        machine=json.loads(row.machine),
        clock_ahead=None if ahead is None else timedelta(microseconds=ahead),
    )


def _ago(silent: timedelta) -> str:
    seconds = int(silent.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
