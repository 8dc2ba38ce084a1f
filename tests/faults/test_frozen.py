"""A worker whose machine is suspended in the middle of a call, and wakes up when another one has gone on without it."""

import contextlib
import os
import signal
from pathlib import Path

from sqlalchemy import Connection, select
from temporalio.client import Client

import config
from ledger.db import Ledger
from ledger.tables import reservation
from ledger.views.workers import workers_of
from tests import paid, scripts
from tests.agreement import agreed
from tests.processes import Worker
from tests.replay.scenarios import PLANNER
from tests.stack import Stack, result_of, sample, until
from tests.wire.server import WireServer

LEVELS = {"run_usd": 20, "agent_day_usd": 100, "month_usd": 1000}


def states(connection: Connection) -> list[str]:
    """What became of the money of each call."""
    return list(connection.execute(select(reservation.c.state).order_by(reservation.c.at)).scalars())


async def test_what_a_frozen_worker_had_begun_changes_nothing_afterwards(
    client: Client, tmp_path: Path, sqlite_url: str
) -> None:
    """Its planner was asked when it froze; another worker asks again, and the plan waits for a person.

    Awake, it has an answer to a call of its own: the run still waits, for row, query and attributes, and no money is held.
    """
    async with WireServer(scripts.save(tmp_path / "script.yaml", PLANNER)) as server:
        server.faults.set("test", "slow", times=1, delay_s=3)
        settings = config.Settings(
            state=tmp_path / "state",
            task_queue=f"frozen-{tmp_path.name}",
            ledger_url=sqlite_url,
            agents=paid.copied(tmp_path / "agents"),
            openai_base_url=server.openai_url,
            ceilings=LEVELS,
        )
        ledger = Ledger(sqlite_url, settings.artifacts)
        stack = Stack(client, settings, ledger, None)  # type: ignore[arg-type]  # its parts are in the other processes

        async def asked() -> bool | None:
            return True if server.requests else None

        async def works_again() -> bool | None:
            there = await ledger.read(workers_of, settings.task_queue)
            return True if any(one.place.endswith(f":{frozen.pid}") for one in there.working) else None

        with Worker(client, settings, tmp_path / "frozen.log") as frozen, contextlib.closing(ledger):
            run = await stack.deliver(sample(tmp_path / "sample"), check="true")
            await until(asked, "the planner was asked")
            os.kill(frozen.pid, signal.SIGSTOP)
            try:
                with Worker(client, settings, tmp_path / "other.log"):
                    view = await stack.gate(run, "plan")
                    assert len(server.requests) == 2
                    await agreed(ledger, run, "waiting")
                    os.kill(frozen.pid, signal.SIGCONT)
                    await until(works_again, "the frozen worker works again")
                    shown = await agreed(ledger, run, "waiting")
                    assert shown.row == ("waiting", view.gate)
                    await stack.decide(view, "reject", note="seen enough")
                    assert (await result_of(run)).state == "could_not"
                    await agreed(ledger, run, "could_not")
            finally:
                os.kill(frozen.pid, signal.SIGCONT)
            assert "held" not in await ledger.read(states)
