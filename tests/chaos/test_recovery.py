"""How a run goes on: after a worker that held it died, after one died at a gate, and when one is asked to stop.

How soon is measured by `make bench NAME=recovery`.
"""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from commands import processes, server
from commands.server import Ports
from connection import Unreachable, check_namespace, check_search_attributes
from ledger.db import Ledger
from task_queues import check_task_queue
from tests.chaos.recovery import at_gates, draining
from tests.chaos.scene import TURNS
from tests.chaos.world import World
from tests.ports import reserved


async def test_a_server_that_goes_away_while_a_worker_starts_is_said_in_a_sentence(tmp_path: Path, sqlite_url: str) -> None:
    """Killed between two of a worker's first calls, it is unreachable, and no traceback: a supervisor starts one again."""
    ports = Ports(reserved(), reserved())
    running = server.start("server", server.server_command(tmp_path, ports), tmp_path, {}, ports)
    try:
        client = await server.ready(ports.address, running, tmp_path)
    finally:
        os.kill(running.pid, signal.SIGKILL)
        await asyncio.to_thread(processes.stop, tmp_path, "server")
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    for call in (
        lambda: check_namespace(client, ledger, bind=True),
        lambda: check_task_queue(client, "baton", ledger),
        lambda: check_search_attributes(client),
    ):
        with pytest.raises(Unreachable, match="Temporal answered and then became unreachable"):
            await call()
    ledger.close()


async def test_a_run_whose_worker_was_killed_at_a_gate_goes_on(outside: World) -> None:
    """At the plan the run was idle, in the memory of a worker that dies: the decision is answered by another, nothing is wrong.

    Over the change the decision is committed and its worker dies: its silence is noticed, long before the attempt is over.
    """
    seen = await at_gates(outside)
    assert (seen.problems, set(seen.again)) == ([], {"TIMEOUT_TYPE_HEARTBEAT"})


async def test_sigterm_drains_a_worker_in_the_middle_of_a_call(outside: World) -> None:
    """`python worker.py` ends with code 0 within its grace; the call that it waits for is kept, and none is made twice."""
    seen = await draining(outside)
    assert (seen.problems, seen.code) == ([], 0)
    assert seen.calls == ["settled"] * TURNS
    assert seen.by == seen.workers
