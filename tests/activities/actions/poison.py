"""Workers that an action ends, one after the other: `forks.program("tests.activities.actions.poison")` starts them.

Forked and not started: what takes seconds is loading, which is done once for all. WAY is `run` for a run's own activity, which
Temporal gives to the next worker, or `relay` for relays. A line for each worker says how it ended.
"""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, update
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.actions.deliver import Actions
from activities.actions.sending import Sender
from contracts.actions import Deliver
from ledger.db import Ledger, now_us
from ledger.tables import action
from tests.activities.actions.relaying import Book, left, relay_of
from tests.children import PATIENCE
from tests.ledger.samples import ref

POISON = "poison"
WORKERS = 9
"""Most workers that are started: more than an action may end."""


class Deadly(Book):
    """A target whose adapter breaks down over one effect, and takes its process with it."""

    def send(self, arguments: bytes, when: datetime) -> str:
        """The effect, or the end, as by a fault in a library of another language."""
        if arguments.decode() == POISON:
            os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(0.05)  # so that it would not be over before the other one breaks down, were they under way together
        return super().send(arguments, when)


async def _relay(ledger: Ledger, book: Book, name: str) -> None:
    own, ends = relay_of(ledger, book, name, timedelta(minutes=1)), time.monotonic() + PATIENCE
    while left(ledger):
        assert time.monotonic() < ends, "not all actions were settled"
        await own.round()
        await own.settle(timedelta(seconds=0.005))
    await own.settle()


async def _run(ledger: Ledger, book: Book, name: str, key: str) -> str:
    sender = Actions(ledger, Sender(ledger, {"book": book}, name))
    try:
        return (await ActivityEnvironment().run(sender.deliver, Deliver(run=ref(), key=key))).state
    except ApplicationError as error:
        return f"{error.type} {'for good' if error.non_retryable else 'for now'}: {error.message}"


def _works(url: str, folder: Path, way: str, name: str, key: str) -> None:
    ledger, book = Ledger(url, folder / "artifacts"), Deadly(folder / "book")
    if way == "relay":
        asyncio.run(_relay(ledger, book, name))
        print("done", flush=True)
    else:
        print(asyncio.run(_run(ledger, book, name, key)), flush=True)
    ledger.close()


def main(arguments: Sequence[str]) -> None:
    """Start workers until one of them lives on. Its arguments: URL FOLDER WAY, and for a run the KEY of its action."""
    url, folder, way, key = arguments[0], Path(arguments[1]), arguments[2], "".join(arguments[3:])
    for number in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                _works(url, folder, way, f"worker-{number}", key)
                code = 0
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(code, flush=True)
        if code >= 0:
            return
        ledger = Ledger(url, folder / "artifacts")
        ledger.tx_now(_time_passes)
        ledger.close()


def _time_passes(connection: Connection) -> None:
    """Until no lease runs any more, of actions and of the relay."""
    connection.execute(update(action).where(action.c.state == "sending").values(lease_until=now_us() - 1))
    connection.exec_driver_sql("UPDATE upkeep SET until = 0")
