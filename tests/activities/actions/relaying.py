"""Two relays in processes of their own, one of which dies: `forks.program("tests.activities.actions.relaying")` starts them.

Forked and not started: what takes seconds is loading, which is done once for both. Their target is a book, a file in which each
effect is a line that is on the disk before it is answered.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, func, select, update

from activities.actions.relay import Relay
from activities.actions.sending import Sender
from activities.running import failpoints
from contracts.base import digest_of, sha256
from contracts.errors import BatonError
from contracts.intents import Intent
from contracts.relay import Relaying
from ledger import actions, artifacts, relay
from ledger.db import Ledger, now_us
from ledger.tables import action
from tests.children import PATIENCE

QUICK = Relaying(first=timedelta(milliseconds=1), longest=timedelta(milliseconds=1))


def _nothing() -> None:
    return None


class Book:
    """The target. Recognises an effect by its name."""

    permanent: tuple[type[BatonError], ...] = ()

    def __init__(self, file: Path) -> None:
        self.file = file
        self.asked: Callable[[], None] = _nothing
        """Called each time that it is asked for an effect."""

    def effects(self) -> list[str]:
        """What the target has seen, in order."""
        return self.file.read_text().split() if self.file.exists() else []

    def find(self, arguments: bytes) -> str | None:
        """The effect if the target has it."""
        self.asked()
        name = arguments.decode()
        return name if name in self.effects() else None

    def send(self, arguments: bytes, when: datetime) -> str:
        """Make the effect, durably."""
        with self.file.open("ab") as file:
            file.write(arguments + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return arguments.decode()


class Blind(Book):
    """The mutant: it never looks before it sends."""

    def find(self, arguments: bytes) -> str | None:
        """Look nowhere."""
        self.asked()
        return None


KINDS: dict[str, type[Book]] = {"book": Book, "blind": Blind}


def handed(ledger: Ledger, name: str, target: str) -> str:
    """An approved action that is left to the relay, with its name as arguments; its key."""
    kept = ledger.tx_now(artifacts.put, ledger.files, name.encode(), "text/plain")
    assert kept.digest == sha256(name.encode())
    digests = {"key": digest_of("relayed", name), "arguments": kept.digest, "arguments_digest": kept.digest}
    meant = Intent(type="book", summary=f"write {name}", target=target, **digests)
    ledger.tx_now(actions.propose, meant, trace="trace-1", gate="action-1", state="approved")
    ledger.tx_now(relay.hand_over, meant.key, "handed")
    return meant.key


def relay_of(ledger: Ledger, book: Book, name: str, lease: timedelta, limits: Relaying = QUICK) -> Relay:
    """One worker's relay."""
    return Relay(ledger, Sender(ledger, {"book": book}, name), name, limits, lease=lease)


def left(ledger: Ledger) -> int:
    """How many actions are not settled."""
    query = select(func.count()).where(action.c.state.in_(relay.OPEN))
    return int(ledger.read_now(lambda connection: connection.execute(query).scalar_one()))


async def _until_all_is_done(ledger: Ledger, book: Book, name: str, before: Callable[[], bool]) -> None:
    # A lease of no length: it always leads, as a relay does that was frozen and does not know that another has taken over.
    own, ends = relay_of(ledger, book, name, timedelta()), time.monotonic() + PATIENCE
    while left(ledger):
        assert time.monotonic() < ends, "not all actions were settled"
        if before():
            await own.round()
        await asyncio.sleep(0.005)
    await own.settle()


def _relays(url: str, folder: Path, kind: str, name: str, failpoint: str) -> None:
    """Relay until all is settled, or the failpoint ends it. Without one it begins once another relay has an action in hand."""
    began = folder / "began"
    if failpoint:
        failpoints.arm(failpoint)
    ledger, book = Ledger(url, folder / "artifacts"), KINDS[kind](folder / "book")
    book.asked = began.touch if failpoint else _nothing
    asyncio.run(_until_all_is_done(ledger, book, name, (lambda: True) if failpoint else began.exists))
    ledger.close()


def _forked(url: str, folder: Path, kind: str, name: str, failpoint: str = "") -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _relays(url, folder, kind, name, failpoint)
            code = 0
        finally:
            os._exit(code)
    return pid


def main(arguments: Sequence[str]) -> None:
    """Have two relays act at once, one of which dies over an action; prints the signal of that one, and the other's code.

    Its arguments: the ledger's URL, a folder, the kind of the target, and the failpoint.
    """
    url, folder, kind, point = arguments[0], Path(arguments[1]), arguments[2], arguments[3]
    dies = _forked(url, folder, kind, "relay-1", f"{point} kill 1 {folder / 'marker'}")
    lives = _forked(url, folder, kind, "relay-2")
    _, status = os.waitpid(dies, 0)
    ledger = Ledger(url, folder / "artifacts")
    ledger.tx_now(_lose_leases_of, "relay-1")
    ledger.close()
    print(os.WTERMSIG(status), os.waitstatus_to_exitcode(os.waitpid(lives, 0)[1]), flush=True)


def _lose_leases_of(connection: Connection, worker: str) -> None:
    connection.execute(update(action).where(action.c.lease_owner == worker).values(lease_until=now_us() - 1))
