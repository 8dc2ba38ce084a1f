"""The worker: connect, register explicit lists, run until stopped."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

import config
import connection
import logs
import places
import setting_digests
from activities.actions.declared import Targets
from activities.actions.deliver import Actions
from activities.actions.every import adapters
from activities.actions.git_push import GitPushAdapter
from activities.actions.prepare import Preparing
from activities.agents.catalogue import Catalogue, load_catalogue
from activities.agents.fallbacks import Fallbacks
from activities.gates.gates import Gates
from activities.gates.policy import Policy, load_policy
from activities.gates.received import Receipts
from activities.gates.standing import Standing
from activities.git import Mirrors
from activities.git.command import PASSED_ON, check_version
from activities.money.scopes import check_levels, shared_scopes
from activities.providers.base import Provider
from activities.repositories.changes import Changes
from activities.repositories.checks import Checks
from activities.repositories.cleanup import Cleanup
from activities.repositories.comparison import Comparison
from activities.repositories.environments import Environments
from activities.repositories.fetch import Fetch
from activities.repositories.frozen_change import FrozenChange
from activities.repositories.integration import Integration
from activities.repositories.kept_environments import KeptEnvironments
from activities.repositories.preparing import PASSED_ON as PASSED_ON_TO_INSTALLERS
from activities.repositories.proof import Proofs
from activities.repositories.shared import Repositories
from activities.repositories.trial import SabotageLimits
from activities.repositories.workspaces import Workspaces
from activities.resources import Resources
from activities.running import failpoints
from activities.running.ahead import Ahead
from activities.running.belonging import Belonging
from activities.running.clock import Clock, Timed
from activities.running.outages import Outages
from activities.running.retries import Retries
from activities.running.tracing import Tracing
from activities.runs.admission import Admission
from activities.runs.disk import Disk
from activities.runs.journal import Journal
from activities.runs.results import Results
from activities.runs.upkeep import Upkeep
from activities.sandbox import Sandbox, SandboxUnavailable, probe
from activities.tools.registry import TOOLS
from activities.turns.models import Models
from activities.turns.tool_calls import Tools
from contracts.errors import BatonError, LedgerUnavailable, Misconfigured
from ledger import artifacts, identity
from ledger.db import Ledger
from ledger.gates import approver_of
from ledger.migrate import upgrade
from ledger.money import ceilings
from ledger.workers import Serving
from model_choice import build_providers, choices, routed, vendors, way
from workflow_runner import workflow_runner
from workflows.act import Act
from workflows.delivery.item import WriteItem
from workflows.delivery.story import Delivery
from workflows.guard import Guard, UnknownWorkflow
from workflows.review import Review

WORKFLOWS: tuple[type, ...] = (Delivery, WriteItem, Review, Act, UnknownWorkflow)


@dataclass(frozen=True)
class Parts:
    """The parts of a worker."""

    ledger: Ledger
    providers: dict[str, Provider]
    catalogue: Catalogue
    standing: Standing
    activities: list[Callable[..., Any]]
    upkeep: Upkeep
    clock: Clock
    machine: dict[str, Any]
    """What is known of this machine: goes onto the worker's row with its first heartbeat."""
    ledger_id: str
    name: str
    """This worker's own, as leases and heartbeats have it."""

    @property
    def policy(self) -> Policy:
        """The policy in force when somebody last looked."""
        return self.standing.policy


def build(settings: config.Settings, ledger: Ledger) -> Parts:
    """Build every activity with its dependencies. Raises `Misconfigured` for an invalid file."""
    catalogue, policy = load_catalogue(settings.agents, TOOLS), Standing(load_policy(settings.policy), str(settings.policy))
    check_agents(policy.file, (agent.file.name for agent in catalogue.agents))
    providers = build_providers(settings)
    # The pid alone is not unique: the kernel reuses it.
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    mirrors = Mirrors(settings.state.absolute() / "mirrors", settings.environment(PASSED_ON), settings.mirror_mib << 20)
    workspaces = Workspaces(settings.state.absolute() / "workspaces", mirrors)
    sandbox = find_sandbox(settings)
    limits = settings.ceilings
    reached = (one for agent in catalogue.agents for one in routed(settings, catalogue, agent) if one.provider in providers)
    check_levels(limits, reached)
    admission = Admission(ledger, catalogue, policy, limits, lambda agent: choices(settings, catalogue, providers, agent))
    models = Models(
        ledger, catalogue, providers, limits, admission, name, settings.growth, settings.breakers, vendors(settings)
    )
    journal = Journal(ledger, admission)
    gates, results, fallbacks = Gates(ledger, policy), Results(ledger), Fallbacks(ledger)
    repositories = Repositories(ledger, mirrors, workspaces)
    changes, checks, comparison = Changes(repositories), Checks(repositories, sandbox), Comparison(repositories)
    approver = (lambda key: ledger.read_now(approver_of, key)) if settings.push_trailers else (lambda _: "")
    push = GitPushAdapter(mirrors, lambda digest: ledger.read_now(artifacts.get, ledger.files, digest), approver)
    freezing = FrozenChange(repositories, settings.push_author, trailers=settings.push_trailers)
    targets = Targets(settings.targets, lambda name: settings.environment([name]).get(name, ""))
    there = adapters(
        *(ledger, targets, push, mirrors),
        lambda: Sandbox.find(settings.bubblewrap, settings.checks),
        settings.state.absolute() / "commands",
        settings.push_author,
    )
    policy.file.check_adapters(there)
    actions = Actions(ledger, there, name, lambda: policy.policy.adapters(), settings.breakers)
    preparing = Preparing(ledger, there, lambda: policy.policy.adapters(), lambda: policy.policy.undone_by())
    resources = Resources(settings.folders, settings.logs, settings.databases)
    tools = Tools(ledger, catalogue, TOOLS, workspaces, sandbox, resources)
    registered: list[Callable[..., Any]] = [
        models.call_model,
        tools.run_tool,
        resources.find_resources,
        journal.begin_run,
        journal.record,
        journal.finish_run,
        results.keep_results,
        results.recall_result,
        fallbacks.fall_back,
        gates.open_gate,
        Receipts(ledger).find_received,
        gates.admit_decision,
        Fetch(repositories, sandbox).prepare_repository,
        changes.collect_changes,
        changes.describe_change,
        changes.match_files,
        comparison.compare_revisions,
        comparison.check_findings,
        Integration(repositories).integrate,
        checks.run_checks,
        checks.judge_checks,
        freezing.freeze,
        freezing.redirect,
        Proofs(repositories, sandbox, SabotageLimits.of(settings.sabotage_places, settings.sabotage_seconds)).prove,
        Environments(
            repositories, settings.environments, settings.environment_like(PASSED_ON_TO_INSTALLERS)
        ).prepare_environment,
        Cleanup(repositories).drop_workspaces,
        preparing.prepare_action,
        actions.perform,
        actions.deliver,
        actions.resolve,
    ]
    clock, about = Clock(), f"baton {version('baton')} on {settings.task_queue}"
    own, machine = ledger.read_now(identity.find).ledger, {"providers": sorted(providers)}
    serving = Serving(settings.task_queue, socket.gethostname(), setting_digests.digests(settings, own), machine)
    disk = Disk(workspaces, mirrors, KeptEnvironments(settings.environments))
    upkeep = Upkeep(ledger, name, about, disk, serving=serving, clock_ahead=clock.ahead_us, keep_days=settings.keep_days)
    return Parts(ledger, providers, catalogue, policy, registered, upkeep, clock, machine, own, name)


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
    problem = await probe.problem(lambda: Sandbox.find(settings.bubblewrap, settings.checks))
    parts.machine["problems"] = [f"no check can run: {problem}"] if problem else []
    if problem:
        logs.log().warning("no check can run on this machine", reason=problem, action="sandbox_unusable")


def find_sandbox(settings: config.Settings) -> Sandbox | None:
    """The sandbox; None if there is none: `look_at_machine` says so, and checks are refused."""
    with contextlib.suppress(SandboxUnavailable):
        return Sandbox.find(settings.bubblewrap, settings.checks)
    return None


def make_worker(client: Client, settings: config.Settings, parts: Parts) -> Worker:
    """Build the worker without running it."""
    return Worker(
        client,
        task_queue=settings.task_queue,
        workflows=WORKFLOWS,
        activities=parts.activities,
        identity=connection.worker_identity(parts.ledger_id),
        interceptors=[
            *(Guard(), Tracing(), Timed(parts.clock), Outages(), Belonging(parts.ledger_id)),
            *(Retries(parts.ledger), Ahead(parts.ledger), *failpoints.interceptors()),
        ],
        workflow_runner=workflow_runner(sandboxed=settings.workflow_sandbox),
        # Written into every workflow task event. The default, a hash over all imported modules, is slow to compute and long.
        build_id=f"baton-{version('baton')}",
        # After a worker is killed its runs' next workflow task is delayed by this long; the default is ten seconds.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        # A cancellation arrives with the answer to a heartbeat, and by default the SDK holds heartbeats back for seconds.
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        default_heartbeat_throttle_interval=timedelta(seconds=1),
        graceful_shutdown_timeout=timedelta(seconds=10),
    )


def check_agents(policy: Policy, agents: Iterable[str]) -> None:
    """Raise `Misconfigured` if the policy names an agent that there is none of: its rule would never fire."""
    there = set(agents)
    named = (*policy.agents, *(rule.agent for rule in policy.rules if rule.agent not in (None, "*")))
    if unknown := sorted({str(name) for name in named} - there):
        raise Misconfigured(f"policy.toml names the agent {', '.join(unknown)}; there are {', '.join(sorted(there))}")


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
        await connection.check_task_queue(client, settings.task_queue, ledger)
        await connection.check_search_attributes(client)
        # Before it takes a task: commands go by the heartbeats.
        await parts.upkeep.beat()
        upkeep = asyncio.create_task(parts.upkeep.run(client))
        async with make_worker(client, settings, parts):
            await parts.clock.hear(connection.first_poll(client, settings.task_queue, parts.ledger_id))
            # Again: of two that started together neither has seen the other poll before.
            await connection.check_task_queue(client, settings.task_queue, ledger)
            await parts.upkeep.beat()  # with what the clock is, so that doctor need not wait for the next one
            await asyncio.to_thread(take_over_ceilings, settings, parts, parts.clock.now())
            logs.log().info(
                "the worker is ready",
                action="worker_ready",
                task_queue=settings.task_queue,
                models=sorted(parts.providers) or "none: every run is refused until an API key is set",
            )
            for name, how in ((name, way(settings, name).shown) for name in sorted(parts.providers)):
                if how:
                    logs.log().info(f"models of {name} are reached {how}", action="way_to_models", provider=name)
            await stop.wait()
        upkeep.cancel()
        # Waited for: it lets go of its lease, so that the next worker need not wait for it.
        await asyncio.gather(upkeep, return_exceptions=True)
        await parts.upkeep.end()
    finally:
        for provider in parts.providers.values():
            await provider.close()
        ledger.close()


async def _main() -> int:
    stop = asyncio.Event()
    # Containers are stopped with SIGTERM, whose default ends the process in the middle of its activities.
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    try:
        settings = config.load()
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


def main() -> None:
    """Entry point of `python worker.py`. Arguments only say whose it is: see `commands/processes.py`."""
    code = 130
    # Ctrl-C may come before `_main` has set its handlers.
    with contextlib.suppress(KeyboardInterrupt):
        code = asyncio.run(_main())
    sys.stdout.flush()
    sys.stderr.flush()
    # The SDK's threads can abort the interpreter while it shuts down (temporalio/sdk-python issue 300).
    os._exit(code)


if __name__ == "__main__":
    main()
