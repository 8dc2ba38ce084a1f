"""Sharing a commit: one after the other and together come to the same, also where loops, ends and kills come in between."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from ledger import runs, writer
from ledger.db import Ledger
from tests.children import PATIENCE
from tests.lanes import ROOT
from tests.ledger.queued import adds, counts, together
from tests.ledgers import migrate

pytestmark = pytest.mark.usefixtures("patient")


def test_two_event_loops_share_a_ledger(shared: Ledger) -> None:
    """Each is answered on its own loop."""

    async def some(name: str) -> list[int]:
        return list(await asyncio.gather(*(shared.tx(adds(name)) for _ in range(20))))

    found: dict[str, list[int]] = {}
    threads = [threading.Thread(target=lambda name=name: found.update({name: asyncio.run(some(name))})) for name in "ab"]
    for one in threads:
        one.start()
    for one in threads:
        one.join(PATIENCE)
    assert found == {"a": list(range(1, 21)), "b": list(range(1, 21))}


async def test_what_is_queued_is_done_before_the_ledger_closes(shared: Ledger) -> None:
    """Closing waits for those that were handed over, and takes no more."""
    waiting = [asyncio.create_task(shared.tx(adds("a"))) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.to_thread(shared.close)
    assert await asyncio.gather(*waiting) == [1, 2, 3, 4, 5]
    with pytest.raises(RuntimeError):
        await shared.tx(adds("a"))


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans()), min_size=1, max_size=40)
"""Transactions: what they count up, how often, and whether they fail in the end."""


def _step(name: str, times: int, *, fail: bool) -> Callable[[Connection], list[int]]:
    def call(connection: Connection) -> list[int]:
        made = [runs.next_number(connection, f"t-{name}") for _ in range(times)]
        if fail:
            raise ValueError(name)
        return made

    return call


@settings(max_examples=30, deadline=None)
@given(steps=STEPS, most=st.integers(1, 8))
def test_sharing_changes_nothing_but_the_number_of_commits(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, bool]], most: int
) -> None:
    """Whatever is queued and whichever fail: answers, errors and what is stored are those of one after the other."""
    folder = tmp_path_factory.mktemp("same")
    calls = [_step(name, times, fail=fail) for name, times, fail in steps]
    alone, shared = (Ledger(f"sqlite:///{folder}/{name}.db", folder) for name in ("alone", "shared"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(writer, "MOST", most)
        for one in (alone, shared):
            migrate(one)
        expected = [_outcome(alone, call) for call in calls]
        found = asyncio.run(together(shared, calls))
        stored = [one.read_now(counts) for one in (alone, shared)]
        for one in (alone, shared):
            one.close()
    assert [str(one) for one in found] == [str(one) for one in expected]
    assert stored[0] == stored[1]


def _outcome(ledger: Ledger, call: Callable[[Connection], Any]) -> Any:
    try:
        return ledger.tx_now(call)
    except ValueError as error:
        return error


KILLED = """
import asyncio, os, signal, sys, threading
from pathlib import Path
from sqlalchemy import event
from ledger import runs, writer
from ledger.db import Ledger

writer.LONGEST = 60.0
url, folder = sys.argv[1:]
ledger = Ledger(url, Path(folder))
parts = []

async def one(name):
    def call(connection):
        found = runs.next_number(connection, name)
        parts.append(name)
        return found
    print("told", await ledger.tx(call), flush=True)

async def main():
    begun, go_on = threading.Event(), threading.Event()
    def busy(connection):
        begun.set()
        go_on.wait()
    first = asyncio.create_task(ledger.tx(busy))
    await asyncio.to_thread(begun.wait)
    rest = [asyncio.create_task(one(f"t-{n}")) for n in range(5)]
    await asyncio.sleep(0)

    @event.listens_for(ledger.engine, "commit")
    def kill(connection):
        if len(parts) == 5:
            print("released", len(parts), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    go_on.set()
    await asyncio.gather(first, *rest)

asyncio.run(main())
"""


async def test_a_kill_before_the_shared_commit_loses_all_and_has_told_nobody(shared: Ledger, tmp_path: Path) -> None:
    """All five parts are released and nothing is committed when the process dies: no answer was given, and none is stored."""
    run = [sys.executable, "-c", KILLED, shared.url, str(tmp_path / "artifacts")]
    ended = await asyncio.to_thread(subprocess.run, run, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == -9, ended.stderr
    assert ended.stdout == "released 5\n"
    assert shared.read_now(counts) == {}
    assert await shared.tx(adds("0")) == 1
    assert shared.read_now(counts) == {"t-0": 1}
