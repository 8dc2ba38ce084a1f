"""How soon a run goes on: after a worker that held it died, after one died at a gate, and when one is asked to stop."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from commands import server
from commands.server import ROOT, Ports
from connection import Unreachable, check_search_attributes
from contracts.gates import GateView
from ledger import gates, tables
from tests import children
from tests.chaos.audit import audit, rows
from tests.chaos.fleet import Worker
from tests.chaos.scenario import Scenario, scenario
from tests.chaos.scene import TURNS
from tests.chaos.world import World
from tests.stack import until

STICKY_DEFAULT = 10
"""Seconds that Temporal waits for a worker that is gone, unless ours says less."""
LEDGER_LIMIT = 60
"""Seconds that an attempt at the ledger may take: what a worker killed there would cost without heartbeats."""


async def gate_of(deliveries: Scenario) -> GateView:
    """The gate that opens next."""

    async def look() -> GateView | None:
        return next(iter(await deliveries.ledger.read(gates.open_gates)), None)

    return await until(look, "a gate opens")


async def ready(worker: Worker) -> Worker:
    """The worker, when it polls."""

    async def look() -> bool | None:
        return True if worker.ready else None

    await until(look, "the worker polls")
    return worker


async def test_a_server_that_goes_away_while_a_worker_starts_is_said_in_a_sentence(tmp_path: Path) -> None:
    """Killed between a worker's first two calls, the server is unreachable, and no traceback: a supervisor starts it again."""
    ports = server.free_ports(Ports(27243, 28243), strict=False)
    running = server.start("server", server.server_command(tmp_path, ports), tmp_path, {}, ports)
    try:
        client = await server.ready(ports.address, running, tmp_path)
    finally:
        os.kill(running.pid, signal.SIGKILL)
        await asyncio.to_thread(server.stop, tmp_path, "server")
    with pytest.raises(Unreachable, match="Temporal answered and then went away"):
        await check_search_attributes(client)


async def test_a_killed_worker_that_held_an_idle_run_costs_seconds(outside: World) -> None:
    """The run is at a gate, in the memory of a worker that dies: the decision is answered by another one within seconds."""
    async with scenario(outside, "idle", person=False) as deliveries:
        run = asyncio.create_task(deliveries.deliver(1))
        holder = await deliveries.fleet.start()
        view = await gate_of(deliveries)
        await ready(await deliveries.fleet.start())
        holder.signal(signal.SIGKILL)
        await holder.ended
        struck = time.monotonic()
        await deliveries.approve(view)
        took = time.monotonic() - struck
        await deliveries.approve_until(run)
    assert took < STICKY_DEFAULT


async def test_a_worker_killed_while_it_records_a_decision_costs_seconds(outside: World) -> None:
    """The decision is committed and its worker dies: whoever sent it has the answer long before the attempt's time is over."""
    async with scenario(outside, "deciding", person=False) as deliveries:
        run = asyncio.create_task(deliveries.deliver(1))
        worker = await deliveries.fleet.start(point="gate.before_completion")
        view = await gate_of(deliveries)
        deciding = asyncio.create_task(deliveries.approve(view))
        await worker.ended
        assert worker.acted
        struck = time.monotonic()
        await deliveries.fleet.start()
        await deciding
        took = time.monotonic() - struck
        await deliveries.approve_until(run)
        await deliveries.fleet.end()
        assert audit(deliveries) == []
    assert took < LEDGER_LIMIT / 2


@pytest.mark.timeout(200)
async def test_sigterm_drains_a_worker_in_the_middle_of_a_call(outside: World) -> None:
    """`python worker.py` ends with code 0 within its grace; the call that it waits for is kept, and none is made twice."""
    async with scenario(outside, "drain") as deliveries:
        variables = {"PATH": "/usr/bin:/bin", **deliveries.fleet.variables}
        program = children.started_here(
            *(sys.executable, ROOT / "worker.py"), env=variables, cwd=deliveries.folder, stderr=asyncio.subprocess.DEVNULL
        )
        async with program as worker, asyncio.TaskGroup() as lanes:
            for number in range(4):
                lanes.create_task(deliveries.deliver(number))
            await until(lambda: _calling(deliveries), "the worker waits for an answer")
            worker.send_signal(signal.SIGTERM)
            started = time.monotonic()
            await deliveries.fleet.start()
            code = await worker.wait()
            took = time.monotonic() - started
        await deliveries.fleet.end()
        assert audit(deliveries) == []
        calls = rows(deliveries, tables.reservation)
    assert code == 0
    assert took < 20
    assert [row.state for row in calls] == ["settled"] * 4 * TURNS
    assert {row.worker.split(":")[1] for row in calls} == {str(worker.pid), str(deliveries.fleet.workers[0].pid)}


async def _calling(deliveries: Scenario) -> bool | None:
    return True if any(row.state == "held" for row in rows(deliveries, tables.reservation)) else None
