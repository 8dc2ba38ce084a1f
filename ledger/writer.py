"""The one writer of a process. On SQLite, transactions that wait for it at the same moment share a commit."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from sqlalchemy import Connection, Engine

from ledger import afterwards, seals
from ledger.outages import explained
from ledger.statement import tell_driver

P = ParamSpec("P")
T = TypeVar("T")

MOST = 32
"""Most transactions that share one commit."""

LONGEST = 0.01
"""Seconds after which no further transaction joins a commit: other processes wait for the same lock, and the first for its
answer."""

PAUSE = 0.001
"""Seconds between a shared commit and the next transaction. SQLite's lock knows no queue: who waits for it looks again now and
then, and would hardly ever find it free between long transactions that follow each other at once."""


SHARES = "baton_shares"
"""The option of a connection whose transaction has several parts."""


@dataclass(eq=False, slots=True)
class _Job:
    """One transaction: what it does, and where its answer goes."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None
    by_itself: bool = False
    """It was in a transaction that was lost: it gets one of its own."""


class Writer:
    """Runs functions in transactions, one after the other, on a thread of its own."""

    def __init__(self, engine: Engine, alone: Callable[..., Any]) -> None:
        """`alone` runs a function with its arguments in a transaction of its own, with whatever retries that takes."""
        self._engine = engine
        self._alone = alone
        self._shares = engine.dialect.name == "sqlite"
        self._thread = ThreadPoolExecutor(1, "ledger-writer")
        self._queue: deque[_Job] = deque()
        self._guard = threading.Lock()
        self._busy = False

    async def run(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `function(connection, …)`, once it is committed. Cancelling the caller neither stops nor undoes it.

        Nothing waits for company: whoever comes while a commit is under way shares the next one.
        """
        loop = asyncio.get_running_loop()
        job = _Job(function, args, kwargs, loop, loop.create_future())
        with self._guard:
            if not self._busy:
                self._thread.submit(self._work)
                self._busy = True
            self._queue.append(job)
        # Shielded: the answer of a cancelled caller still comes, and must find a future that takes it.
        return cast("T", await asyncio.shield(job.answer))

    def close(self) -> None:
        """Finish what is queued. Safe to call twice."""
        self._thread.shutdown()

    def _work(self) -> None:
        while jobs := self._taken():
            done = self._together(jobs) if len(jobs) > 1 else self._one(jobs[0])
            with self._guard:
                self._queue.extendleft(reversed(jobs[len(done) :]))
            for loop in {job.loop for job in done}:
                # One wake-up for all of them, who are answered in the order in which they came.
                _tell(loop, [job for job in done if job.loop is loop])
            if len(done) > 1:
                time.sleep(PAUSE)

    def _taken(self) -> list[_Job]:
        """What is queued and may share a commit; nothing, and this thread has ended, where the queue is empty."""
        with self._guard:
            self._busy = bool(self._queue)
            taken = list[_Job]()
            while self._queue and len(taken) < MOST and not (taken and self._queue[0].by_itself):
                taken.append(self._queue.popleft())
                if taken[0].by_itself or not self._shares:
                    break
            return taken

    def _one(self, job: _Job) -> list[_Job]:
        try:
            job.result = self._alone(job.function, *job.args, **job.kwargs)
        except BaseException as error:  # noqa: BLE001 - it is the caller's, whatever it is
            job.error = error
        return [job]

    def _together(self, jobs: Sequence[_Job]) -> list[_Job]:
        """The first of these jobs, as many as were run in one transaction, each with its result or error, after the commit.

        An error of the transaction's own, as of its commit, is that of each of them. None was run if SQLite has undone it all
        before: nobody was told anything, so each gets a transaction of its own.
        """
        ends, ran = time.monotonic() + LONGEST, list[_Job]()
        try:
            with explained(), self._engine.connect().execution_options(**{SHARES: True}) as connection:
                with connection.begin():
                    for job in jobs:
                        if ran and time.monotonic() >= ends:
                            break
                        ran.append(job)
                        _run_part(connection, job)
                afterwards.committed(connection)
        except _Lost:
            for job in jobs:
                job.result, job.error, job.by_itself = None, None, True
            return []
        except BaseException as error:  # noqa: BLE001 - as above
            for job in ran or jobs:
                job.result, job.error = None, error
            return list(ran or jobs)
        return ran


class _Lost(Exception):
    """The transaction of several is gone: nothing of it will be committed."""


def _run_part(connection: Connection, job: _Job) -> None:
    """Run a job between a savepoint and its release; its error undoes its part alone. Raises `_Lost`."""
    seals.begin(connection)
    earlier = afterwards.waiting(connection)
    tell_driver(connection, "SAVEPOINT part")
    try:
        with explained():
            job.result = job.function(connection, *job.args, **job.kwargs)
    except BaseException as error:  # noqa: BLE001 - it is the caller's, whatever it is
        job.error = error
        afterwards.forget(connection, earlier)
    # After an error of the disk, or on a full one, SQLite may have rolled back everything by itself.
    if not _is_open(connection):
        raise _Lost
    if job.error is not None:
        tell_driver(connection, "ROLLBACK TO part")
    tell_driver(connection, "RELEASE part")


def _is_open(connection: Connection) -> bool:
    driven: Any = connection.connection.dbapi_connection
    return bool(driven.in_transaction)


def _tell(loop: asyncio.AbstractEventLoop, jobs: Sequence[_Job]) -> None:
    try:
        loop.call_soon_threadsafe(_answer, jobs)
    except RuntimeError:
        # The loop was closed: nobody waits there any more, and what was committed stays so.
        return


def _answer(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        if job.answer.done():
            continue
        if job.error is not None:
            # A future takes no StopIteration, and the others wait for their answers.
            stopped = isinstance(job.error, StopIteration)
            job.answer.set_exception(RuntimeError("the function raised StopIteration") if stopped else job.error)
        else:
            job.answer.set_result(job.result)
