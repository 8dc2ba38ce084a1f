"""The worker: connect, register explicit lists, run until stopped."""

# ruff: noqa: E402 (the collector is told before anything is loaded)

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import get_args

COLLECTS = gc.get_threshold()
if __name__ == "__main__":
    # Hardly anything of what a start makes is garbage, and looking for it takes a sixth of its time.
    gc.set_threshold(500_000)

from temporalio.client import Client
from temporalio.worker import Worker

import config
import connection
import logs
import places
import task_queues
from activities.git.command import check_version
from activities.money.scopes import shared_scopes
from activities.running import failpoints
from activities.running.ahead import Ahead
from activities.running.belonging import Belonging
from activities.running.beside import beside
from activities.running.clock import Timed
from activities.running.outages import Outages
from activities.running.pausing import Pausing
from activities.running.retries import Retries
from activities.running.tracing import Tracing
from activities.sandbox import Sandbox, probe
from contracts.errors import BatonError, LedgerUnavailable
from contracts.relay import Role
from ledger.db import Ledger
from ledger.migrate import upgrade
from ledger.money import ceilings
from model_choice import way
from worker_parts import Parts, build
from workflow_runner import workflow_runner
from workflows.act import Act
from workflows.delivery.item import WriteItem
from workflows.delivery.story import Delivery
from workflows.diagnosis import Diagnosis
from workflows.diagnosis_part import DiagnoseService
from workflows.guard import Guard, UnknownWorkflow
from workflows.kit.at_hand import GENERATION, OURS
from workflows.kit.spread import Spread
from workflows.load import Load, LoadPart
from workflows.review import Review
from workflows.review_part import ReviewPart
from workflows.support import Support
from workflows.support_case import SupportCase

WORKFLOWS: tuple[type, ...] = (
    *(Delivery, WriteItem, Review, ReviewPart, Act, Load, LoadPart, Diagnosis, DiagnoseService, Support, SupportCase),
    *(Spread, UnknownWorkflow),
)


def arm(settings: config.Settings) -> None:
    """Arm the failpoint that a test set. Raises `Misconfigured` for an unknown one."""
    if settings.failpoint:
        failpoints.arm(settings.failpoint)
        logs.log().warning("a failpoint is armed: this worker will kill itself", failpoint=settings.failpoint, action="armed")


async def look_at_machine(settings: config.Settings, parts: Parts) -> None:
    """See whether what runs need works on this machine, before one is admitted. Raises `Misconfigured` without a usable git.

    Without a sandbox a worker starts: its runs are told before they cost anything, and those without a check need none.
    """
    parts.machine["git"] = ".".join(str(part) for part in await asyncio.to_thread(check_version))

    def find() -> Sandbox:
        return Sandbox.find(settings.bubblewrap, settings.checks)

    problem = await probe.problem(find)
    parts.machine["sandbox"] = "" if problem else await probe.level(find)
    parts.machine["problems"] = [f"no check can run: {problem}"] if problem else []
    if problem:
        logs.log().warning("no check can run on this machine", reason=problem, action="sandbox_unusable")


def make_worker(client: Client, settings: config.Settings, parts: Parts) -> Worker:
    """Build the worker without running it."""
    return Worker(
        client,
        task_queue=settings.task_queue,
        workflows=WORKFLOWS,
        activities=parts.activities,
        identity=task_queues.worker_identity(parts.ledger_id),
        interceptors=[
            *(Guard(), Tracing(), Timed(parts.clock), Outages(), Belonging(parts.ledger_id), Pausing(parts.ledger)),
            *(Retries(parts.ledger), Ahead(parts.ledger), *failpoints.interceptors()),
        ],
        workflow_runner=workflow_runner(sandboxed=settings.workflow_sandbox),
        # Written into every workflow task event. The default, a hash over all imported modules, is slow to compute and long.
        build_id=f"{OURS}{version('baton')}/{GENERATION}",
        # After a worker is killed its runs' next workflow task is delayed by this long; the default is ten seconds.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        # A cancellation arrives with the answer to a heartbeat, and by default the SDK holds heartbeats back for seconds.
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        default_heartbeat_throttle_interval=timedelta(seconds=1),
        graceful_shutdown_timeout=timedelta(seconds=10),
    )


def end_start() -> None:
    """Collect garbage as usual from here on, but leave out what is there: it stays. Safe to call twice."""
    gc.freeze()
    gc.set_threshold(*COLLECTS)


def take_up_policy(parts: Parts) -> None:
    """Put into force what this worker's policy file tightens, and say what it loosens. Safe to call twice."""
    pending = parts.ledger.tx_now(parts.standing.take_up, parts.name)
    if pending.changes:
        logs.log().warning(
            "the policy file loosens something that its owners have not approved; the stricter entries stay in force. "
            "`baton policy propose FILE -m why` asks for it",
            action="policy_pending",
            waiting=[str(one) for one in pending.changes],
        )


def take_over_ceilings(settings: config.Settings, parts: Parts, now: datetime) -> None:
    """Apply changed ceiling settings to the current day and month. Safe to call twice."""
    agents = sorted({agent.file.name for agent in parts.catalogue.agents})
    scopes = shared_scopes(settings.ceilings, ("", *settings.ceilings.projects), agents, now)
    for change in parts.ledger.tx_now(ceilings.configure, scopes):
        logs.log().info("a ceiling was changed", action="ceiling_configured", scope=change.scope, to=change.to, why=change.why)


async def serve(settings: config.Settings, stop: asyncio.Event) -> None:
    """Run a worker until `stop` is set. Running activities then get ten seconds; Temporal retries the rest elsewhere."""
    places.usable(settings.state.absolute())
    ledger = Ledger(settings.database, settings.artifacts)
    await asyncio.to_thread(upgrade, ledger)
    parts = build(settings, ledger)
    try:
        await asyncio.to_thread(take_up_policy, parts)
        await look_at_machine(settings, parts)
        client = await connection.connect()
        await connection.check_namespace(client, ledger, bind=True, replaced=settings.server_replaced)
        await task_queues.check_task_queue(client, settings.task_queue, ledger)
        await connection.check_search_attributes(client)
        end_start()
        # Before it takes a task: commands go by the heartbeats.
        await parts.upkeep.beat()
        relaying = [parts.relay.run()] if parts.relay is not None else []
        telling = [parts.messenger.run(client.namespace)] if parts.messenger is not None else []
        async with beside(parts.upkeep.run(client), parts.under_way.run(), *relaying, *telling):
            if settings.role == "actions":
                logs.log().info("the worker is ready", action="worker_ready", role=settings.role)
                await stop.wait()
            else:
                await _take_tasks(client, settings, parts, stop)
        await parts.upkeep.end()
    finally:
        for provider in parts.providers.values():
            await provider.close()
        ledger.close()


async def _take_tasks(client: Client, settings: config.Settings, parts: Parts, stop: asyncio.Event) -> None:
    """Serve the task queue until `stop` is set."""
    async with make_worker(client, settings, parts):
        await parts.clock.hear(task_queues.first_poll(client, settings.task_queue, parts.ledger_id))
        # Again: of two that started together neither has seen the other poll before.
        await task_queues.check_task_queue(client, settings.task_queue, parts.ledger)
        await parts.upkeep.beat()  # with what the clock is, so that doctor need not wait for the next one
        await asyncio.to_thread(take_over_ceilings, settings, parts, parts.clock.now())
        logs.log().info(
            "the worker is ready",
            action="worker_ready",
            role=settings.role,
            task_queue=settings.task_queue,
            models=sorted(parts.providers) or "none: until an API key is set only reviews are made, by linters",
        )
        for name, how in ((name, way(settings, name).shown) for name in sorted(parts.providers)):
            if how:
                logs.log().info(f"models of {name} are reached {how}", action="way_to_models", provider=name)
        await stop.wait()


async def _main(role: str | None) -> int:
    stop = asyncio.Event()
    # Containers are stopped with SIGTERM, whose default ends the process in the middle of its activities.
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    try:
        settings = config.load(role=role)
        logs.configure(settings.log_format, settings.log_level)
        arm(settings)
        await serve(settings, stop)
    except BatonError as error:
        print(f"baton worker: {error}", file=sys.stderr)
        return 6 if isinstance(error, connection.Unreachable | LedgerUnavailable) else 2
    except OSError as error:
        if error.filename is None:
            raise
        print(f"baton worker: this cannot be read or written: {places.unable(error)}", file=sys.stderr)
        return 2
    return 0


def _role(arguments: Sequence[str]) -> str | None:
    """The role that is asked for; None: the settings say it. Exits with code 2 for what is no argument of a worker."""
    parser = argparse.ArgumentParser("worker.py", description="A Baton worker.", allow_abbrev=False)
    parser.add_argument("--role", choices=get_args(Role), help="what it does; default: the setting `role`, else all")
    parser.add_argument("--state", help="whose worker it is; it takes its settings from elsewhere: see commands/processes.py")
    said: str | None = parser.parse_args(arguments).role
    return said


def main(arguments: Sequence[str] = ()) -> None:
    """Entry point of `python worker.py`, with its command line's arguments."""
    role, code = _role(arguments), 130
    # Ctrl-C may come before `_main` has set its handlers.
    with contextlib.suppress(KeyboardInterrupt):
        code = asyncio.run(_main(role))
    sys.stdout.flush()
    sys.stderr.flush()
    # The SDK's threads can abort the interpreter while it shuts down (temporalio/sdk-python issue 300).
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
