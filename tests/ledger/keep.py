"""Keep a ledger: `python -m tests.ledger.keep NAME` delivers the sample twice and writes the ledger under `kept/`.

One run has ended, the other waits at its `change` gate. Kept ledgers are never replaced: each stands for what a release wrote,
and every later one has to open it.
"""

import asyncio
import gzip
import os
import shutil
import socket
import sqlite3
import sys
from pathlib import Path

from commands.demo.demo import SAMPLE
from ledger.db import Ledger
from tests.ledger.releases import KEPT
from tests.stack import Stack, dev_server, sample, stack

WORK = Path("/tmp/baton-kept")
"""The record names it, so it says nothing about this machine."""


async def keep(name: str) -> Path:
    """Write a ledger with two runs."""
    path = KEPT / f"{name}.sql.gz"
    if path.exists():
        raise SystemExit(f"{path.name} is there; kept ledgers are never replaced, choose another name")
    socket.gethostname = lambda: "worker-1"
    WORK.mkdir()
    try:
        origin = sample(WORK / "sample")
        async with dev_server() as server, stack(server.client, WORK / "state", SAMPLE / "script.yaml") as running:
            await _two_runs(running, origin)
        path.write_bytes(gzip.compress(dump(WORK / "state" / "ledger.db").encode(), mtime=0))
    finally:
        shutil.rmtree(WORK)
    return path


async def _two_runs(running: Stack, origin: Path) -> None:
    ended = await running.deliver(origin, branch="ended", request_key="ended")
    await running.decide(await running.gate(ended, "plan-1"), "request_changes", note="look again")
    await running.approve(ended, "plan-2")
    await running.approve(ended, "change-1")
    await ended.result()
    waiting = await running.deliver(origin, branch="waiting", request_key="waiting")
    await running.approve(waiting, "plan-1")
    await running.gate(waiting, "change-1")
    await waiting.terminate("the ledger is kept as it is now")


def dump(file: Path) -> str:
    """The whole database as SQL."""
    ledger = Ledger(f"sqlite:///{file}", file.parent)
    ledger.close()
    connection = sqlite3.connect(file)
    try:
        return "\n".join(connection.iterdump())
    finally:
        connection.close()


if __name__ == "__main__":
    print(asyncio.run(keep(sys.argv[1])).name)
    sys.stdout.flush()
    os._exit(0)
